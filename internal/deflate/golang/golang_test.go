package golang_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"drayage/internal/deflate/coding"
	"drayage/internal/deflate/golang"
)

// modelled are the models of the encoder that this toolchain has, by level.
func modelled(t *testing.T) map[int]coding.Model {
	t.Helper()
	var minor int
	if _, err := fmt.Sscanf(runtime.Version(), "go1.%d", &minor); err != nil || minor > 27 {
		t.Skipf("the encoder of %s has no model here", runtime.Version())
	}
	models := map[int]coding.Model{}
	for _, m := range golang.Models() {
		version, level, ok := strings.Cut(m.Name(), "-")
		if (strings.HasPrefix(version, "Go 1.27")) != (minor == 27) {
			continue
		}
		n := flate.HuffmanOnly
		if ok {
			n = int(level[0] - '0')
		}
		models[n] = m
	}
	return models
}

// encode is what compress/flate makes of content.
func encode(t *testing.T, content []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestModelsEqualTheEncoderAtHand(t *testing.T) {
	models := modelled(t)
	if len(models) != 11 {
		t.Fatalf("%d levels have a model, not 11", len(models))
	}
	for level, m := range models {
		t.Run(m.Name(), func(t *testing.T) {
			for _, kind := range kinds {
				s := source(level)
				for i := range 16 {
					size := s.next(s.next([]int{50, 400, 9000, 140_000}[i%4])+1) + i*i*200*(i%4)/3
					content := kind.make(&s, size)
					if !bytes.Equal(compress(t, m, content), encode(t, content, level)) {
						t.Errorf("%s: case %d of %d bytes differs", kind.name, i, size)
					}
				}
			}
		})
	}
}

// The encoder cannot reach back before its buffer, and cannot store what begins there.
func TestModelsKnowWhereTheBufferMoves(t *testing.T) {
	models := modelled(t)
	for _, level := range []int{2, 6} {
		for seed := range source(20) {
			content := seed.echoes(1 << 19)
			if !bytes.Equal(compress(t, models[level], content), encode(t, content, level)) {
				t.Errorf("level %d: content %d differs", level, seed)
			}
		}
	}
}

// A predictor that begins in the middle finds the tokens of one that began at the start, after a while.
func TestPredictorsBeginAnywhere(t *testing.T) {
	s := source(1)
	content := s.mixed(700_000)
	for _, m := range golang.Models() {
		var want []coding.Token
		starts := map[int]int{}
		pos := 0
		predict(m.Predictor(), content, func(token coding.Token) {
			starts[pos] = len(want)
			want = append(want, token)
			pos += token.Len()
		})
		align := max(1, m.Framing().Align)
		from := 5 * 65535
		for starts[from] == 0 {
			from += align
		}
		p := m.Predictor()
		data := content[from-coding.Window:]
		p.Begin(coding.Stretch{
			Data: data, From: coding.Window, To: len(data), Offset: int64(from - coding.Window), End: true,
		})
		pos = from
		for _, token := range want[starts[from]:] {
			if p.Predict() != token {
				p.Correct(token)
				if pos >= from+max(32<<10, align) {
					t.Errorf("%s: a token is wrong %d bytes behind the beginning", m.Name(), pos-from)
					break
				}
			}
			pos += token.Len()
		}
	}
}

// Whatever an encoder wrote, a model takes it.
func TestPredictorsTakeAnyTokens(t *testing.T) {
	s := source(1)
	content := s.words(300_000, 300)
	for _, m := range golang.Models() {
		p := m.Predictor()
		p.Begin(coding.Stretch{Data: content, To: len(content), End: true})
		for pos, n := 0, 0; pos < len(content); pos += n {
			token := p.Predict()
			n = token.Len()
			if s.next(3) > 0 {
				continue
			}
			token = coding.Literal(content[pos])
			if n = 3 + s.next(256); s.next(2) == 0 && pos+n <= len(content) && pos > 0 {
				token = coding.Match(n, 1+s.next(min(pos, coding.Window)))
			}
			n = token.Len()
			p.Correct(token)
		}
	}
}

func BenchmarkPredict(b *testing.B) {
	s := source(1)
	content := s.mixed(8 << 20)
	for _, m := range golang.Models() {
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
