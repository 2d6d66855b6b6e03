package tarpatch

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"

	"drayage/internal/verify"
)

// written is a patch of three streams, as a stranger may write it.
func written(t testing.TB, h Header, raw ...[]byte) []byte {
	t.Helper()
	var frames, out bytes.Buffer
	for i, p := range raw {
		was := frames.Len()
		if h.frames[i].codec == codecModel {
			frames.Write(p)
		} else {
			h.frames[i].codec = codecZstd
			z, err := zstd.NewWriter(&frames, zstd.WithEncoderLevel(zstd.SpeedFastest),
				zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := z.Write(p); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
		}
		h.frames[i].n = int64(frames.Len() - was)
	}
	if err := h.write(&out); err != nil {
		t.Fatal(err)
	}
	return append(out.Bytes(), frames.Bytes()...)
}

// bounded applies a patch, and compares how much comes out with what it promises.
func bounded(t *testing.T, p []byte, bases ...Base) error {
	r, err := Open(bytes.NewReader(p), int64(len(p)), bases)
	if err != nil {
		return err
	}
	defer r.Close()
	size := r.Header().Size
	n, err := io.Copy(io.Discard, r)
	if n > size || err == nil && n != size {
		t.Errorf("%d bytes of %d, %v", n, size, err)
	}
	if err == nil {
		return nil
	}
	if _, again := r.Read(make([]byte, 1)); again != err {
		t.Errorf("%v, then %v", err, again)
	}
	if !errors.Is(err, verify.ErrMismatch) {
		t.Errorf("%v is no error about a damaged patch", err)
	}
	return err
}

// FuzzOpen gives out patches of any bytes.
func FuzzOpen(f *testing.F) {
	old := tarOf(f, file{name: "a", body: noise(1, 3000)})
	p, _ := patch(f, tarOf(f, file{name: "b", body: noise(1, 3000)}, file{name: "c", body: noise(2, 99)}), old)
	f.Add(p)
	f.Add(p[:len(p)/2])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, p []byte) {
		if h, err := ReadHeader(bytes.NewReader(p), int64(len(p))); err == nil {
			var b bytes.Buffer
			if err := h.write(&b); err != nil || b.Len() > len(p) {
				t.Errorf("%d bytes again, %v", b.Len(), err)
			}
		}
		bounded(t, p, layer(old))
	})
}

// FuzzOperations gives out patches whose streams have any content, compressed or as a model reads them.
func FuzzOperations(f *testing.F) {
	f.Add(false, int64(5), []byte{1, 0, 6, 2}, []byte{1, 2, 3}, []byte("xy"))
	f.Add(false, int64(3), []byte{1, 4, 7, 0}, []byte{}, []byte{})
	f.Add(false, int64(1<<40), []byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f}, []byte{}, []byte("x"))
	huge := append([]byte{1}, bytes.Repeat([]byte{0xff}, 9)...)
	f.Add(false, int64(9), append(huge, 1, 2, 0), []byte{1}, []byte{})
	base := layer(noise(1, 1000))
	f.Add(true, int64(900), noise(3, 100), noise(4, 1000), noise(5, 900))
	f.Fuzz(func(t *testing.T, model bool, size int64, ops, diff, data []byte) {
		if size < 0 {
			return
		}
		h := Header{Size: size, Target: layer(nil).DiffID, Bases: digests(base)}
		if model {
			for i := range h.frames {
				h.frames[i].codec = codecModel
			}
		}
		if err := bounded(t, written(t, h, ops, diff, data), base); err == nil && size > 0 {
			t.Error("bytes came out, with the diff ID of none")
		}
	})
}

// FuzzRoundTrip makes patches between any bytes.
func FuzzRoundTrip(f *testing.F) {
	a := tarOf(f, file{name: "a", body: noise(1, 3000)}, file{name: "dir/b1.txt", body: noise(2, 700)})
	b := tarOf(f, file{name: "dir/b2.txt", body: noise(2, 600)}, file{name: "x", body: noise(1, 3000)})
	defer func(was zstd.EncoderLevel) { best = was }(best)
	best = zstd.SpeedFastest
	f.Add(a, b)
	f.Add(b, a[:2000])
	f.Add([]byte{}, a)
	f.Add(bytes.Repeat([]byte("abcd"), 500), bytes.Repeat([]byte("abc"), 500))
	f.Fuzz(func(t *testing.T, target, old []byte) {
		p, _ := patch(t, target, old)
		if again, _ := patch(t, target, old); !bytes.Equal(p, again) {
			t.Error("two patches differ")
		}
	})
}
