package tarpatch

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"drayage/internal/limits"
	"drayage/internal/verify"
)

// usual is the size of a layer whose model remembers 1 MiB.
const usual = 16 << 20

// pieces parts bytes at places that look random.
func pieces(p []byte) (all [][]byte) {
	r := rand.New(rand.NewPCG(5, 5))
	for len(p) > 0 {
		n := min(len(p), 1+r.IntN(1<<r.IntN(17)))
		all, p = append(all, p[:n:n]), p[n:]
	}
	return all
}

// coded codes pieces in either direction, each beside a place in the base.
func coded(t testing.TB, m *novel, base Base, all [][]byte) {
	r := rand.New(rand.NewPCG(6, 6))
	for _, p := range all {
		if base.Size > 0 && r.IntN(2) == 0 {
			if err := m.beside(base, r.Int64N(base.Size+1)); err != nil {
				t.Fatal(err)
			}
		}
		m.code(p)
	}
}

// told codes pieces as new data, and compares what a reader makes of it.
func told(t testing.TB, base Base, all [][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := newNovel(newCoder(&out), usual)
	want := slices.Concat(all...)
	coded(t, w, base, all)
	if err := w.finish(); err != nil || !bytes.Equal(want, slices.Concat(all...)) {
		t.Fatalf("the writer changed its bytes, %v", err)
	}
	in := bytes.NewReader(out.Bytes())
	r, got := newNovel(newDecoder(in), usual), make([][]byte, len(all))
	for i, p := range all {
		got[i] = make([]byte, len(p))
	}
	coded(t, r, base, got)
	if r.err != nil || in.Len() > 0 || !bytes.Equal(slices.Concat(got...), want) {
		t.Errorf("%v, %d bytes are left", r.err, in.Len())
	}
	return out.Bytes()
}

func TestNewData(t *testing.T) {
	much := make([]byte, 1<<20)
	text := []byte(strings.Repeat("some text that repeats itself, ", 3000))
	for name, one := range map[string]struct {
		data []byte
		most int
	}{
		"nothing":                   {nil, 5},
		"a byte":                    {[]byte{7}, 7},
		"zeros":                     {make([]byte, 200_000), 100},
		"text":                      {text, 300},
		"noise":                     {noise(1, 100_000), 106_000},
		"more than is remembered":   {slices.Concat(noise(2, 1000), much, noise(2, 1000)), 2400},
		"noise that comes again":    {slices.Concat(noise(3, 50_000), noise(3, 50_000)), 53_500},
		"a program, and it changed": {slices.Concat(program(0), program(32)), 92_000},
	} {
		t.Run(name, func(t *testing.T) {
			for _, base := range []Base{layer(nil), layer([]byte("abc")), layer(program(0))} {
				if n := len(told(t, base, [][]byte{one.data})); n > one.most {
					t.Errorf("%d bytes became %d", len(one.data), n)
				}
			}
			told(t, layer(text), pieces(one.data))
		})
	}
}

// What a base has at the place of new bytes is often like them.
func TestNewDataBesideBase(t *testing.T) {
	old := noise(1, 100)
	var out bytes.Buffer
	m := newNovel(newCoder(&out), usual)
	if err := m.beside(layer(old), 20); err != nil {
		t.Fatal(err)
	}
	if m.code(slices.Clone(old[20:])); m.finish() != nil || out.Len() > 12 {
		t.Errorf("%d bytes", out.Len())
	}
}

// Bytes that become no smaller are left to zstd, which is faster, and so are many.
func TestModelOfDataIsGivenUp(t *testing.T) {
	base := noise(9, 4<<20)
	lines := bytes.Repeat([]byte("line\n"), len(base)/5)
	for name, one := range map[string]struct {
		data  []byte
		codec byte
	}{
		"little": {lines[:1000], codecModel}, "noise": {noise(1, 4*chunk), codecZstd},
		"some": {lines[:len(base)/16], codecModel}, "much": {lines[:len(base)/8], codecZstd},
	} {
		t.Run(name, func(t *testing.T) {
			p, s := patch(t, slices.Concat(base, one.data), base)
			h, err := ReadHeader(bytes.NewReader(p), int64(len(p)))
			if err != nil || h.frames[dataStream].codec != one.codec {
				t.Errorf("%+v, %+v, %v", h, s, err)
			}
		})
	}
}

// A layer of any size may have some data, and no layer very much.
func TestDataLimit(t *testing.T) {
	for size, want := range map[int64]int64{0: chunk, 16: chunk + 1, 16 << 20: 1<<20 + chunk,
		1 << 40: limits.PatchModelled, 1<<63 - 1: limits.PatchModelled} {
		if got := dataLimit(size); got != want {
			t.Errorf("%d: %d, not %d", size, got, want)
		}
		newNovel(newDecoder(bytes.NewReader(nil)), size)
	}
}

// A model of data takes long for each byte, so only some are read.
func TestTooMuchDataOfAModel(t *testing.T) {
	for _, size := range []int64{chunk + chunk/8, 3 << 20, limits.PatchModelled + 1} {
		var ops, data bytes.Buffer
		m, d := newMoves(newCoder(&ops)), newNovel(newCoder(&data), size)
		fieldsOf(m, 0, uint64(size))
		for range size/chunk + 1 {
			d.code(make([]byte, chunk))
		}
		if m.finish() != nil || d.finish() != nil {
			t.Fatal("a buffer takes all")
		}
		h := Header{Size: size, Target: layer(nil).DiffID}
		for i := range h.frames {
			h.frames[i].codec = codecModel
		}
		err := bounded(t, written(t, h, ops.Bytes(), nil, data.Bytes()))
		if err == nil || !strings.Contains(err.Error(), "bytes of data") {
			t.Error(size, err)
		}
	}
}

// A repeat may not leave the operation that it is in.
func TestRepeatBeyondData(t *testing.T) {
	var data bytes.Buffer
	m := newNovel(newCoder(&data), usual)
	m.code(make([]byte, 1000))
	if err := m.finish(); err != nil {
		t.Fatal(err)
	}
	r := newNovel(newDecoder(&data), usual)
	r.code(make([]byte, 500))
	if err := stream(dataStream, r.err); !errors.Is(err, errBeyond) || !errors.Is(err, verify.ErrMismatch) {
		t.Error(err)
	}
}

// FuzzNewData reads any bytes, and codes any bytes beside any others.
func FuzzNewData(f *testing.F) {
	f.Add([]byte("some text, some text"), program(0)[:3000])
	f.Add([]byte{}, noise(1, 300))
	f.Fuzz(func(t *testing.T, old, new []byte) {
		r := newNovel(newDecoder(bytes.NewReader(new)), usual)
		coded(t, r, layer(old), pieces(make([]byte, 4*len(new))))
		if r.err != nil && !errors.Is(r.err, io.EOF) && !errors.Is(r.err, errBeyond) {
			t.Error(r.err)
		}
		told(t, layer(old), pieces(new))
	})
}
