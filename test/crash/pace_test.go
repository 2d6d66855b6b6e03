//go:build linux

package crash

import (
	"io"
	"net/http"
	"sync"
	"time"

	"drayage/internal/fakeregistry"
)

// A registry that is slow enough for kills to hit transfers, and for what it has sent to have been received.
const (
	piece = 64 << 10
	pause = time.Millisecond
	// lanePause is slow enough for large blobs to be read by several streams.
	lanePause = 2 * time.Millisecond
)

// slow makes blobs travel piece by piece, in both directions.
func (w *world) slow() {
	w.trickle(pause)
	w.On(fakeregistry.Match{Path: "/blobs/uploads/"}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			req.Body = &pacedBody{req.Body, req}
			next.ServeHTTP(rw, req)
		})
	})
}

// trickle makes blobs come down piece by piece. It returns what counts the streams of one blob that do so at
// once.
func (w *world) trickle(pause time.Duration) *crowd {
	c := &crowd{now: map[string]int{}}
	drip := fakeregistry.Drip(piece, pause)
	w.On(fakeregistry.Match{Method: http.MethodGet, Path: "/blobs/sha256:"},
		func(next http.Handler) http.Handler {
			next = drip(next)
			return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				c.add(req.URL.Path, 1)
				defer c.add(req.URL.Path, -1)
				next.ServeHTTP(rw, req)
			})
		})
	return c
}

// crowd is how many requests for the same thing there are.
type crowd struct {
	mu   sync.Mutex
	now  map[string]int
	most int
}

func (c *crowd) add(path string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now[path] += n
	c.most = max(c.most, c.now[path])
}

// pacedBody is the body of a request that is read slowly.
type pacedBody struct {
	io.ReadCloser
	req *http.Request
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-b.req.Context().Done():
		return 0, b.req.Context().Err()
	}
	return b.ReadCloser.Read(p[:min(len(p), piece)])
}

// settle waits until no request is being answered any more, so that the ledger is complete.
func (w *world) settle() {
	w.Helper()
	w.await("the end of all requests", func() bool { return w.serving.Load() == 0 })
}

// await waits for something that will happen.
func (w *world) await(what string, happened func() bool) {
	w.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(commandTimeout); !happened(); <-tick.C {
		if time.Now().After(end) {
			w.Fatalf("%s has not come", what)
		}
	}
}

// down and up are the bytes of blobs that have been transferred.
func (w *world) down() int64 { return w.Sent(http.MethodGet, "/blobs/sha256:") }
func (w *world) up() int64   { return w.Received("", "/blobs/uploads/") }
