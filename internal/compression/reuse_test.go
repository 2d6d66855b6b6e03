package compression_test

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"drayage/internal/compression"
)

// Wild case 32: very many small layers do not take a buffer and a decoder each.
func TestWild32SmallStreamsShareTheirBuffers(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, "a small layer")
	w.Close()
	for kind, stored := range map[string]string{
		compression.Gzip: b.String(), compression.None: "a small layer"} {
		const streams = 500
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range streams {
			r, _, err := compression.NewReader(t.Context(), strings.NewReader(stored), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); string(got) != "a small layer" || err != nil {
				t.Fatal(got, err)
			}
			r.Close()
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / streams; each > 40<<10 {
			t.Errorf("%s: each stream takes %d bytes", kind, each)
		}
	}
}

// What has been closed must not read what another stream has in the same buffer.
func TestClosedReadersReadNothing(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, "first")
	w.Close()
	for _, stored := range []string{"first", b.String()} {
		first, _, err := compression.NewReader(t.Context(), strings.NewReader(stored), nil)
		if err != nil {
			t.Fatal(err)
		}
		first.Close()
		first.Close()
		second, _, _ := compression.NewReader(t.Context(), strings.NewReader("second"), nil)
		third, _, _ := compression.NewReader(t.Context(), strings.NewReader("third"), nil)
		if n, err := first.Read(make([]byte, 9)); n != 0 || err != io.ErrClosedPipe {
			t.Errorf("a closed reader: %d, %v", n, err)
		}
		for r, want := range map[io.ReadCloser]string{second: "second", third: "third"} {
			if got, err := io.ReadAll(r); string(got) != want || err != nil {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
			r.Close()
		}
	}
}
