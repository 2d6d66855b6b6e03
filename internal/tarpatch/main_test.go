package tarpatch

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/go-digest"
)

// layer is a Base of bytes.
func layer(p []byte) Base {
	return Base{DiffID: digest.FromBytes(p), Size: int64(len(p)), ReaderAt: bytes.NewReader(p)}
}

// patch makes a patch, and compares what applying it gives.
func patch(t testing.TB, target []byte, bases ...[]byte) ([]byte, Stats) {
	t.Helper()
	var all []Base
	for _, b := range bases {
		all = append(all, layer(b))
	}
	var out bytes.Buffer
	stats, err := Make(t.Context(), layer(target), all, &out, Options{Temp: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	got, err := apply(out.Bytes(), all...)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, target) {
		t.Fatal("the layer differs, and its diff ID does not")
	}
	sum := stats.Copied + stats.Changed + stats.New
	if sum != int64(len(target)) || stats.Size != int64(out.Len()) {
		t.Errorf("%+v of %d bytes, a patch of %d", stats, len(target), out.Len())
	}
	return out.Bytes(), stats
}

func apply(patch []byte, bases ...Base) ([]byte, error) {
	r, err := Open(bytes.NewReader(patch), int64(len(patch)), bases)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// noise is bytes that nothing makes smaller.
func noise(seed uint64, n int) []byte {
	r, b := rand.New(rand.NewPCG(seed, 0)), make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func digests(bases ...Base) (all []digest.Digest) {
	for _, b := range bases {
		all = append(all, b.DiffID)
	}
	return all
}
