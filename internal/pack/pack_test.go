package pack

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type maker func(io.Writer) (*Writer, error)

const (
	block  = 64 << 10
	window = 128 << 10 // sections of 512 KiB
)

var formats = []struct {
	name string
	make maker
	open func(io.Reader) (io.Reader, error)
}{
	{"gzip", func(w io.Writer) (*Writer, error) { return NewGzip(w, 6, block) },
		func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"zstd", func(w io.Writer) (*Writer, error) { return NewZstd(w, 3, window) },
		func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) }},
}

// sample is neither all the same nor noise: words in an order that has no end.
func sample(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "%s/%x ", strings.Repeat("layer", 1+r.IntN(4)), r.Uint64()>>(8*r.IntN(8)))
	}
	return b.Bytes()[:n]
}

// squeeze compresses b, written in pieces of the size given, with so many processors.
func squeeze(t *testing.T, to maker, b []byte, piece, procs int) []byte {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	var out bytes.Buffer
	w, err := to(&out)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		n := min(piece, len(b))
		if _, err := w.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestBytesDependOnTheInputAlone(t *testing.T) {
	const section = 4 * window
	for _, f := range formats {
		for _, n := range []int{0, 1, block - 1, block, block + 1, section - 1, section, section + 1,
			5*section + 77} {
			in := sample(n)
			want := squeeze(t, f.make, in, 1<<20, 1)
			for _, procs := range []int{1, 2, 4, 32} {
				if got := squeeze(t, f.make, in, 10_007, procs); !bytes.Equal(got, want) {
					t.Errorf("%s of %d bytes: %d processors make %d other bytes than one (%d)", f.name, n, procs, len(got),
						len(want))
				}
			}
			r, err := f.open(bytes.NewReader(want))
			if err != nil {
				t.Fatalf("%s of %d bytes: %v", f.name, n, err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, in) {
				t.Errorf("%s of %d bytes: %d come back, %v", f.name, n, len(got), err)
			}
			if n > 4*section && len(want) > n*3/4 {
				t.Errorf("%s: %d bytes become %d", f.name, n, len(want))
			}
		}
	}
}

// TestBytesStayTheSame fails when another version of a compressor, or another machine, makes other bytes of
// the same input. What is built on them (digests of pushed layers, the cache of layers) then needs a new
// name.
func TestBytesStayTheSame(t *testing.T) {
	want := map[string]string{
		"gzip": "67400134a8addbd6f9e5de2f6592f95095b3d821808d1b9da08dcb73c4740aee",
		"zstd": "5c10ec6c7869b520fc8c3acbe5bfd1d9ce161b509931240d082b2f3f94d81447",
	}
	for _, f := range formats {
		if got := fmt.Sprintf("%x", sha256.Sum256(squeeze(t, f.make, sample(3<<20), 1<<20,
			3))); got != want[f.name] {
			t.Errorf("%s: %s, not %q", f.name, got, want[f.name])
		}
	}
}

// failing takes so many bytes and then fails, or writes less than it was given without saying so.
type failing struct {
	room  int
	short bool
}

var errFull = errors.New("no space left")

func (f *failing) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room >= 0 {
		return len(b), nil
	}
	if f.short {
		return len(b) / 2, nil
	}
	return 0, errFull
}

func TestFailureOfTheWriterBehind(t *testing.T) {
	in := sample(4 << 20)
	for _, f := range formats {
		for _, room := range []int{0, 5, 100_000} {
			for _, short := range []bool{false, true} {
				w, err := f.make(&failing{room, short})
				if err != nil {
					t.Fatal(err)
				}
				_, werr := io.Copy(struct{ io.Writer }{w}, struct{ io.Reader }{bytes.NewReader(in)})
				want := errFull
				if short {
					want = io.ErrShortWrite
				}
				if err := w.Close(); !errors.Is(err, want) || werr != nil && !errors.Is(werr, want) {
					t.Errorf("%s, room for %d: write says %v, close says %v", f.name, room, werr, err)
				}
			}
		}
	}
}

// TestWritingEndsSoonAfterAFailure: a full disk must not be found out only when everything has been read.
func TestWritingEndsSoonAfterAFailure(t *testing.T) {
	piece := sample(64 << 10)
	for _, f := range formats {
		w, err := f.make(&failing{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		err = nil
		for i := 0; i < 4096 && err == nil; i++ {
			_, err = w.Write(piece)
		}
		if !errors.Is(err, errFull) {
			t.Errorf("%s takes 256 MiB for a writer that has failed: %v", f.name, err)
		}
	}
}

// TestAbort: what was written before must not look like a whole stream.
func TestAbort(t *testing.T) {
	for _, f := range formats {
		for _, n := range []int{0, 100, 3 << 20} {
			var out bytes.Buffer
			w, err := f.make(&out)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(sample(n)); err != nil {
				t.Fatal(err)
			}
			w.Abort()
			if out.Len() == 0 {
				continue // nothing is no stream at all
			}
			r, err := f.open(&out)
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %d bytes and an abort read as a stream that ends with %v", f.name, n, err)
			}
		}
	}
}

func TestParametersOutOfRange(t *testing.T) {
	for name, err := range map[string]error{
		"gzip level":  second(NewGzip(io.Discard, 10, block)),
		"gzip block":  second(NewGzip(io.Discard, 6, 0)),
		"zstd level":  second(NewZstd(io.Discard, 0, window)),
		"zstd window": second(NewZstd(io.Discard, 3, window+1)),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func second(_ *Writer, err error) error { return err }
