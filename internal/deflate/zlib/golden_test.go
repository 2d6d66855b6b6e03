package zlib_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"drayage/internal/deflate/coding"
	"drayage/internal/deflate/zlib"
)

// encoders are those of golden.txt.
var encoders = map[string]func(level int) coding.Model{
	"zlib": zlib.Zlib, "zlib9": zlib.Large, "gzip": zlib.Gzip, "pigz": zlib.Pigz,
}

// The models alone make what the encoders make, to the bit.
func TestModelsEqualTheEncoders(t *testing.T) {
	table, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	contents := contents()
	rows := 0
	for row := range strings.Lines(string(table)) {
		fields := strings.Fields(row)
		if strings.HasPrefix(row, "#") {
			continue
		}
		rows++
		t.Run(fields[0]+" "+fields[1], func(t *testing.T) {
			t.Parallel()
			content, ok := contents[fields[0]]
			if !ok || len(fields) != 2+9 {
				t.Fatalf("the row %q is none", fields)
			}
			for i, want := range fields[2:] {
				m := encoders[fields[1]](i + 1)
				if want == "-" || testing.Short() && i > 5 {
					continue
				}
				if got := digest(compress(m, content)); got != want {
					t.Errorf("%s: %s, not %s", m.Name(), got, want)
				}
			}
		})
	}
	if rows != len(contents)*len(encoders) {
		t.Errorf("%d rows for %d contents and %d encoders", rows, len(contents), len(encoders))
	}
}

func digest(stream []byte) string {
	sum := sha256.Sum256(stream)
	return hex.EncodeToString(sum[:8])
}

func TestModelsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range zlib.Models() {
		if seen[m.Name()] {
			t.Error(m.Name())
		}
		seen[m.Name()] = true
	}
	if len(seen) != 4*9 {
		t.Errorf("%d models", len(seen))
	}
}

// predict hands over the tokens that a predictor finds in a stretch that is all of a stream.
func predict(p coding.Predictor, content []byte, add func(coding.Token)) {
	p.Begin(coding.Stretch{Data: content, To: len(content), End: true})
	for at := 0; at < len(content); {
		t := p.Predict()
		add(t)
		at += t.Len()
	}
}

// A predictor that begins in the middle, or moves to another buffer, finds what one finds that does neither.
func TestPredictorsBeginAndMove(t *testing.T) {
	s := source(1)
	content := s.mixed(700_000)
	for _, m := range zlib.Models() {
		if m.Framing().Part > 0 {
			continue
		}
		var want []coding.Token
		ends := []int{0}
		predict(m.Predictor(), content, func(token coding.Token) {
			want = append(want, token)
			ends = append(ends, ends[len(want)-1]+token.Len())
		})
		t.Run(m.Name(), func(t *testing.T) {
			first := 0
			for ends[first] < 300_000 {
				first++
			}
			walk(t, m.Predictor(), content, want[first:], ends[first])
		})
	}
}

// walk compares tokens from a place in content on, in buffers that hold little of it.
func walk(t *testing.T, p coding.Predictor, content []byte, want []coding.Token, at int) {
	t.Helper()
	stretch := func() coding.Stretch {
		from, to := at-coding.Window, min(at+20_000, len(content))
		end := min(to+coding.Lookahead, len(content))
		return coding.Stretch{
			Data: content[from:end], From: coding.Window, To: to - from, Offset: int64(from), End: end == len(content),
		}
	}
	s := stretch()
	p.Begin(s)
	wrong := 0
	for i, token := range want {
		if at >= s.To+int(s.Offset) {
			s = stretch()
			p.Slide(s)
		}
		if p.Predict() != token {
			p.Correct(token)
			if wrong++; i > 20_000 {
				t.Fatalf("token %d, at %d, is wrong", i, at)
			}
		}
		at += token.Len()
	}
	if wrong > 20 {
		t.Errorf("%d tokens are wrong", wrong)
	}
}

// Whatever an encoder wrote, a model takes it.
func TestPredictorsTakeAnyTokens(t *testing.T) {
	s := source(1)
	content := s.words(200_000, 300)
	for _, m := range zlib.Models() {
		p := m.Predictor()
		p.Begin(coding.Stretch{Data: content, To: len(content), End: true})
		for at, n := 0, 0; at < len(content); at += n {
			token := p.Predict()
			n = token.Len()
			if s.next(3) > 0 {
				continue
			}
			token = coding.Literal(content[at])
			if n = 3 + s.next(256); s.next(2) == 0 && at+n <= len(content) && at > 0 {
				token = coding.Match(n, 1+s.next(min(at, coding.Window)))
			}
			n = token.Len()
			p.Correct(token)
		}
	}
}

func BenchmarkPredict(b *testing.B) {
	s := source(1)
	content := s.mixed(8 << 20)
	if name := os.Getenv("CONTENT"); name != "" {
		content, _ = os.ReadFile(name)
	}
	for _, m := range []coding.Model{zlib.Zlib(6), zlib.Zlib(9), zlib.Gzip(6), zlib.Zlib(1)} {
		b.Run(m.Name(), func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			p := m.Predictor()
			for b.Loop() {
				predict(p, content, func(coding.Token) {})
			}
		})
	}
}
