package deflate

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	kflate "github.com/klauspost/compress/flate"

	"drayage/internal/deflate/coding"
)

// text is content that compresses about as files do: words, numbers, runs, and noise.
func text(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	words := make([]string, 300)
	for i := range words {
		b := make([]byte, 2+r.IntN(9))
		for j := range b {
			b[j] = byte('a' + r.IntN(26)*r.IntN(26)/26)
		}
		words[i] = string(b)
	}
	var b bytes.Buffer
	for b.Len() < size {
		switch k := r.IntN(1000); {
		case k == 0:
			noise := make([]byte, r.IntN(3000))
			for i := range noise {
				noise[i] = byte(r.Uint32())
			}
			b.Write(noise)
		case k < 5:
			b.Write(make([]byte, r.IntN(2000)))
		case k < 60:
			fmt.Fprintf(&b, "%08x", r.Uint32())
		case k < 80 && b.Len() > 5000:
			at := r.IntN(b.Len() - 4000)
			b.Write(bytes.Clone(b.Bytes()[at : at+r.IntN(4000)]))
		default:
			b.WriteString(words[r.IntN(len(words))*r.IntN(len(words))/len(words)])
			b.WriteByte(' ')
		}
	}
	return b.Bytes()[:size]
}

// noise is content that does not compress.
func noise(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 9))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func gzipped(t testing.TB, level int, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(content)
	w.Close()
	return b.Bytes()
}

// wrapped is a raw deflate stream of content as a gzip file.
func wrapped(stream, content []byte) []byte {
	var s sum
	s.Write(content)
	return s.append(append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"), stream...))
}

// trip makes a recipe and the blob of it again.
func trip(t testing.TB, blob []byte, o MakeOptions) (Made, []byte) {
	t.Helper()
	var content, recipe bytes.Buffer
	made, err := Make(t.Context(), bytes.NewReader(blob), &content, &recipe, o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(bytes.NewReader(recipe.Bytes()), int64(recipe.Len()), &content, made.Unpacked)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("after %d bytes of %d: %v", len(got), len(blob), err)
	}
	if !bytes.Equal(got, blob) {
		n := 0
		for n < len(got) && n < len(blob) && got[n] == blob[n] {
			n++
		}
		t.Fatalf("%d bytes, not %d; they differ from %d on", len(got), len(blob), n)
	}
	return made, recipe.Bytes()
}

// everything lets a recipe have all tokens.
var everything = MakeOptions{Limit: 100, Models: []coding.Model{plain{}}}

func TestAnyStreamIsMadeAgain(t *testing.T) {
	content := append(text(1, 1_100_000), noise(1, 200_000)...)
	content = append(content, text(2, 100_000)...)
	for name, c := range map[string][]byte{
		"much": content, "nothing": nil, "a byte": {7}, "noise": noise(3, 100_000), "zeros": make([]byte, 2<<20),
	} {
		for level := -2; level <= 9; level++ {
			made, recipe := trip(t, gzipped(t, level, c), everything)
			if made.Unpacked != int64(len(c)) || made.Recipe != int64(len(recipe)) {
				t.Errorf("%s -%d: %+v, %d", name, level, made, len(recipe))
			}
		}
	}
	for level := -2; level <= 9; level++ {
		var b bytes.Buffer
		w, _ := kflate.NewWriter(&b, level)
		for i := 0; i < len(content); i += 300_000 {
			w.Write(content[i:min(len(content), i+300_000)])
			w.Flush()
		}
		w.Close()
		trip(t, wrapped(b.Bytes(), content), everything)
	}
}

// Members, headers, wrong sums and what follows are kept.
func TestMembersAreKept(t *testing.T) {
	var b bytes.Buffer
	for i := range 5 {
		w := gzip.NewWriter(&b)
		w.Name, w.Comment, w.Extra = "name", "comment", []byte("extra")
		w.OS = byte(i)
		w.Write(text(uint64(i), i*1000))
		w.Close()
	}
	trip(t, b.Bytes(), everything)
	trip(t, append(b.Bytes(), "\x00\x00\x00"...), everything)
	wrong := bytes.Clone(b.Bytes())
	wrong[len(wrong)-1]++
	trip(t, wrong, everything)
}

// More blocks than anybody writes cost the recipe. The content is written all the same.
func TestManyEmptyBlocks(t *testing.T) {
	for _, before := range []int{0, 6 << 20} {
		first, second := text(5, before), text(6, 2<<20)
		b := new(bytes.Buffer)
		z, _ := flate.NewWriter(b, 6)
		z.Write(first)
		z.Flush()
		b.Write(bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 2*maxStarts))
		z.Write(second)
		z.Close()
		want := slices.Concat(first, second)
		for _, models := range [][]coding.Model{nil, Models()[:1]} {
			var content bytes.Buffer
			blob := slices.Concat(wrapped(b.Bytes(), want), gzipped(t, 6, second))
			_, err := Make(t.Context(), bytes.NewReader(blob), &content, io.Discard, MakeOptions{Models: models})
			if !errors.Is(err, ErrUnknown) || !bytes.Equal(content.Bytes(), slices.Concat(want, second)) {
				t.Errorf("behind %d bytes: %d bytes of content, %v", before, content.Len(), err)
			}
		}
	}
}

func TestUnknown(t *testing.T) {
	var content, recipe bytes.Buffer
	_, err := Make(t.Context(), strings.NewReader("not gzip at all"), &content, &recipe, MakeOptions{})
	if !errors.Is(err, ErrUnknown) || content.Len()+recipe.Len() > 0 {
		t.Error(err, content.Len(), recipe.Len())
	}
	want := text(5, 6<<20)
	blob := gzipped(t, 6, want)
	o := MakeOptions{Models: []coding.Model{plain{}}}
	_, err = Make(t.Context(), bytes.NewReader(blob), &content, &recipe, o)
	if !errors.Is(err, ErrUnknown) || !bytes.Equal(content.Bytes(), want) {
		t.Error(err, content.Len(), recipe.Len())
	}
	for _, n := range []int{5, 11, 15, 5000, len(blob) - 3} {
		_, err = Make(t.Context(), bytes.NewReader(blob[:n]), io.Discard, io.Discard, everything)
		if err == nil || errors.Is(err, ErrUnknown) == (n > 10) || errors.Is(err, ErrDamaged) != (n > 10) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	broken := io.MultiReader(bytes.NewReader(blob[:5000]), iotest.ErrReader(io.ErrUnexpectedEOF))
	_, err = Make(t.Context(), broken, io.Discard, io.Discard, everything)
	if err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("a disk that fails: %v", err)
	}
}

// An encoder that is flushed in the middle, as often as somebody writes, costs a few bytes a flush. Those
// that look at 64 KiB of content at a time begin anew with each flush: they cost more, and come back as well.
func TestFlushes(t *testing.T) {
	content := text(51, 300_000)
	for _, each := range []int{700, 20_000, 65_535} {
		flushes := len(content)/each + 1
		for _, level := range []int{1, 6} {
			o := MakeOptions{Limit: 1, Models: []coding.Model{modelNamed("Go -1"), modelNamed("Go -6")}}
			made, _ := trip(t, flushed(level, each, content), o)
			if level > 1 && made.Recipe > int64(100+20*flushes) {
				t.Errorf("-%d, %d flushes: %+v", level, flushes, made)
			}
		}
	}
}
