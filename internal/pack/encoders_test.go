package pack

import (
	"bytes"
	"io"
	"runtime"
	"runtime/debug"
	"testing"
)

// many are the streams of one Encoders.
var many = map[string]func(*Encoders, io.Writer) (*Writer, error){
	"gzip": func(e *Encoders, w io.Writer) (*Writer, error) { return e.NewGzip(w, 4, 1<<20) },
	"zstd": func(e *Encoders, w io.Writer) (*Writer, error) { return e.NewZstd(w, 1, 512<<10) },
}

// An encoder that is used again makes the bytes that a new one makes, also after a stream that was aborted.
func TestEncodersMakeTheSameBytesAgain(t *testing.T) {
	for name, to := range many {
		fresh := func(w io.Writer) (*Writer, error) { return to(new(Encoders), w) }
		var kept Encoders
		for _, n := range []int{1000, 3 << 20, 0, 1 << 20, 17} {
			in := sample(n)
			want := squeeze(t, fresh, in, 1<<20, 2)
			got := squeeze(t, func(w io.Writer) (*Writer, error) { return to(&kept, w) }, in, 10_007, 2)
			if !bytes.Equal(got, want) {
				t.Errorf("%s of %d bytes: the encoder that was kept makes other bytes", name, n)
			}
			w, err := to(&kept, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(in)
			w.Abort()
		}
	}
}

// A layer of a kilobyte does not cost the megabytes of an encoder: ten thousand images have as many of them.
func TestSmallStreamsAllocateLittle(t *testing.T) {
	if raced {
		t.Skip("with the race detector, a sync.Pool forgets on purpose")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // what is kept is dropped when nobody needs it for long
	const streams, most = 100, 64 << 10
	for name, to := range many {
		var kept Encoders
		in := sample(1 << 10)
		stream := func() {
			w, err := to(&kept, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(in)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		stream()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range streams {
			stream()
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / streams; each > most {
			t.Errorf("%s: %d bytes are allocated for each stream of a kilobyte, more than %d", name, each, most)
		}
	}
}
