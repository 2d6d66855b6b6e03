package deflate

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

// verdict is a stream, and what zlib says of it: how many bytes it is long, and the sum of its content.
type verdict struct {
	stream []byte
	size   int
	sum    string
}

// verdicts are streams that zlib made, and damaged ones. The table was made with Python's zlib module.
func verdicts(t testing.TB) (all []verdict) {
	t.Helper()
	raw, err := os.ReadFile("testdata/zlib.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		stream, err := hex.DecodeString(f[0])
		if err != nil {
			t.Fatal(err)
		}
		v := verdict{stream: stream}
		if len(f) == 3 {
			v.size, _ = strconv.Atoi(f[1])
			v.sum = f[2]
		}
		all = append(all, v)
	}
	if len(all) < 300 {
		t.Fatalf("only %d streams", len(all))
	}
	return all
}

// parsed is the content of a raw stream, and how long that is.
func parsed(stream []byte) (content []byte, size int, err error) {
	f, size, err := decoded(stream)
	return f.content, size, err
}

// decoded is what has been parsed of a raw stream, and how long that is.
func decoded(stream []byte) (f *feed, size int, err error) {
	in := newBitReader(bytes.NewReader(stream))
	f = &feed{}
	p := inflater{in: in, f: f}
	for !f.ended {
		if err := p.decode(readAtOnce); err != nil {
			return &feed{}, 0, err
		}
		if len(f.content) > 64<<20 {
			return &feed{}, 0, errLong
		}
	}
	return f, int(in.read) - (in.end - in.pos), nil
}

// hollow reports whether a stream has so little in its blocks that a recipe may be refused: it would not pay.
// The codes of a block take up to 700 bytes, and each token may cost 200.
func hollow(f *feed) bool { return len(f.starts)*700 > shortRecipe+200*len(f.tokens) }

// Streams of blocks with nothing in them are refused, and only those.
func TestSparseStreams(t *testing.T) {
	for n, taken := range map[int]bool{0: true, 1: true, 400: true, 2000: false} {
		stream := append(bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, n), 1, 0, 0, 0xff, 0xff)
		f, size, err := decoded(stream)
		if err != nil || size != len(stream) || !taken && !hollow(f) || n == 0 && hollow(f) {
			t.Errorf("%d: %d bytes, %d blocks, %v", n, size, len(f.starts), err)
		}
		_, err = Make(t.Context(), bytes.NewReader(wrapped(stream, nil)), io.Discard, io.Discard, everything)
		if (err == nil) != taken || err != nil && !errors.Is(err, ErrUnknown) {
			t.Errorf("%d empty blocks: %v", n, err)
		}
	}
}

// The parser takes what zlib's inflate takes, and nothing else.
func TestParserAgreesWithZlib(t *testing.T) {
	for i, v := range verdicts(t) {
		content, size, err := parsed(v.stream)
		if (err == nil) != (v.sum != "") {
			t.Errorf("%d: %x: %v; zlib: %q", i, v.stream, err, v.sum)
			continue
		}
		if err == nil && (size != v.size || fmt.Sprintf("%x", sha256.Sum256(content)) != v.sum) {
			t.Errorf("%d: %d bytes make %d, zlib says %d", i, size, len(content), v.size)
		}
		if err == nil {
			trip(t, wrapped(v.stream[:size], content), everything)
		}
	}
}

// What compress/flate takes is parsed to the same content, and made again.
func FuzzParse(f *testing.F) {
	for _, v := range verdicts(f) {
		f.Add(v.stream)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		want, err := io.ReadAll(io.LimitReader(flate.NewReader(r), 1<<20))
		parts, size, own := decoded(stream)
		content := parts.content
		both := err == nil && own == nil && len(want) < 1<<20
		if both && (!bytes.Equal(content, want) || size != len(stream)-r.Len()) {
			t.Fatalf("%d bytes of %d, not %d of %d", len(content), size, len(want), len(stream)-r.Len())
		}
		// compress/flate takes one header code of one bit, which zlib refuses.
		if err != nil && own == nil {
			t.Fatalf("compress/flate says %v", err)
		}
		if own == nil && len(content) < 1<<20 && !hollow(parts) {
			trip(t, wrapped(stream[:size], content), everything)
		}
	})
}

// recipeOf is a recipe for a blob, and its content.
func recipeOf(t testing.TB, blob []byte, o MakeOptions) (recipe, content []byte) {
	t.Helper()
	var c, r bytes.Buffer
	if _, err := Make(t.Context(), bytes.NewReader(blob), &c, &r, o); err != nil {
		t.Fatal(err)
	}
	return r.Bytes(), c.Bytes()
}

// A recipe of anybody ends, in an error or in no more bytes than it says.
func FuzzOpen(f *testing.F) {
	for _, v := range verdicts(f)[:100] {
		if content, size, err := parsed(v.stream); err == nil {
			for _, o := range []MakeOptions{everything, {Limit: 100, Models: Models()[:1]}} {
				recipe, content := recipeOf(f, wrapped(v.stream[:size], content), o)
				f.Add(recipe, content)
			}
		}
	}
	f.Fuzz(func(t *testing.T, recipe, content []byte) {
		r, err := Open(bytes.NewReader(recipe), int64(len(recipe)), bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return
		}
		defer r.Close()
		n, err := io.Copy(io.Discard, r)
		if n > r.Size() || err == nil && n != r.Size() {
			t.Fatalf("%d bytes, not %d: %v", n, r.Size(), err)
		}
	})
}

// Whatever an encoder makes of content is made again, by whichever model comes closest.
func FuzzTrip(f *testing.F) {
	for i := range 12 {
		f.Add(text(uint64(i), 2000), i)
	}
	f.Fuzz(func(t *testing.T, content []byte, level int) {
		if len(content) > 1<<20 {
			return
		}
		trip(t, gzipped(t, (level%10+10)%10, content), MakeOptions{Limit: 100, Models: Models()[:3]})
		trip(t, gzipped(t, (level%10+10)%10, content), everything)
	})
}
