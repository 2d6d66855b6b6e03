//go:build linux

package volumes

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"drayage/internal/fakeregistry"
	"drayage/test/faultreg"
)

// witness is an empty registry that keeps every byte that it is sent, whether it takes it or not.
type witness struct {
	*faultreg.Server
	registry *fakeregistry.Registry
	mu       sync.Mutex
	sent     map[string][]byte // by path: uploads and manifests
}

func newWitness(t testing.TB) *witness {
	w := &witness{registry: fakeregistry.New(), sent: map[string][]byte{}}
	w.Server = faultreg.Start(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		io.Copy(&body, r.Body) // what came before an error counts too
		w.mu.Lock()
		if body.Len() > 0 {
			w.sent[r.URL.Path] = append(w.sent[r.URL.Path], body.Bytes()...)
		}
		w.mu.Unlock()
		r.Body = io.NopCloser(&body)
		w.registry.ServeHTTP(rw, r)
	}), false)
	t.Cleanup(w.Close)
	return w
}

// contents are all uploads and manifests.
func (w *witness) contents() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.sent))
}

// state is what the repository has.
func (w *witness) state() string {
	blobs, manifests, tags := w.registry.Stored("copy")
	d, _ := w.registry.Tag("copy", "1")
	return fmt.Sprint(blobs, manifests, tags, d.Digest)
}

// stranger returns the path of something that was sent and is not the beginning of anything right.
func (w *witness) stranger(right [][]byte) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for path, got := range w.sent {
		begins := func(r []byte) bool {
			// A compressor may have ended a block where what it read broke off.
			return bytes.HasPrefix(r, got) || len(got) > 0 && bytes.HasPrefix(unzipped(r), unzipped(got))
		}
		if !slices.ContainsFunc(right, begins) {
			return path
		}
	}
	return ""
}

// unzipped is as much of gzip's content as there is. What is not gzip is taken for itself.
func unzipped(raw []byte) []byte {
	zr, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return raw
	}
	content, _ := io.ReadAll(zr) // it may break off
	return content
}

// writes counts what was asked for that changes something.
func (w *witness) writes() (n int) {
	for _, e := range w.Requests("", "") {
		if !strings.Contains("GET HEAD", e.Method) {
			n++
		}
	}
	return n
}
