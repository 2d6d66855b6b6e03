// Package meter counts what a registry sends and receives, from the registry's side, so that "nothing was
// transferred" is a measurement and not the client's word. Give [Meter.Wrap] to registry3.Options.Wrap.
package meter

import (
	"net/http"
	"strings"
	"sync"
)

// Counts is the traffic of blobs; manifests are not in it.
type Counts struct {
	Reads     int   // blob requests that were answered with content, ranges each for itself
	ReadBytes int64 // content sent for them
	Writes    int   // uploads that were completed
	Mounts    int   // uploads that were answered by a mount from another repository
}

// Meter counts until it is asked; the zero value is ready. It is safe for concurrent use.
type Meter struct {
	// read-held by every request: a client may have its answer before the handler has returned
	serving sync.RWMutex
	mu      sync.Mutex
	counts  Counts
}

// Take returns the counts since the last Take and starts again at zero. It waits for the requests that are
// being answered.
func (m *Meter) Take() Counts {
	m.serving.Lock()
	defer m.serving.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := m.counts
	m.counts = Counts{}
	return counts
}

// Wrap returns a handler that counts what next answers.
func (m *Meter) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.serving.RLock()
		defer m.serving.RUnlock()
		counter := &writer{ResponseWriter: w}
		defer func() { m.add(r, counter) }() // also when the handler breaks off by a panic
		next.ServeHTTP(counter, r)
	})
}

func (m *Meter) add(r *http.Request, w *writer) {
	_, blob, ok := strings.Cut(r.URL.Path, "/blobs/")
	if !ok {
		return
	}
	upload := strings.HasPrefix(blob, "uploads/")
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case r.Method == http.MethodGet && !upload && w.status/100 == 2:
		m.counts.Reads++
		m.counts.ReadBytes += w.sent
	case r.Method == http.MethodPut && upload && w.status == http.StatusCreated:
		m.counts.Writes++
	case r.Method == http.MethodPost && upload && w.status == http.StatusCreated:
		m.counts.Mounts++
	}
}

type writer struct {
	http.ResponseWriter
	status int
	sent   int64
}

func (w *writer) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach what is below.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
