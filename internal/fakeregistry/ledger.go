package fakeregistry

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Entry is a request and what became of it.
type Entry struct {
	Proto    string // of HTTP, such as HTTP/1.1
	Method   string
	Host     string
	Path     string
	Query    string
	Header   http.Header // of the request
	Status   int         // 0 if it was never answered
	Sent     int64       // bytes of the answer's body
	Received int64       // bytes of the request's body
}

// Range is the request's header of that name.
func (e Entry) Range() string { return e.Header.Get("Range") }

// Authorization is the request's header of that name.
func (e Entry) Authorization() string { return e.Header.Get("Authorization") }

// Ledger writes down requests. The zero value is empty; it may be used concurrently.
type Ledger struct {
	ledgerMu sync.Mutex
	entries  []*Entry
}

// Record returns a handler that passes requests on to next and writes them down. The numbers in an entry are
// never behind what the client can have seen.
func (l *Ledger) Record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		e := &Entry{Proto: req.Proto, Method: req.Method, Host: req.Host, Path: req.URL.Path,
			Query: req.URL.RawQuery, Header: req.Header.Clone()}
		l.locked(func() { l.entries = append(l.entries, e) })
		req.Body = &countedBody{req.Body, l, e}
		rec := &recorder{w, l, e}
		next.ServeHTTP(rec, req)
	})
}

func (l *Ledger) locked(f func()) {
	l.ledgerMu.Lock()
	defer l.ledgerMu.Unlock()
	f()
}

// Requests returns the entries whose method is the given one, if not empty, and whose path contains part.
func (l *Ledger) Requests(method, part string) []Entry {
	l.ledgerMu.Lock()
	defer l.ledgerMu.Unlock()
	var found []Entry
	for _, e := range l.entries {
		if (method == "" || method == e.Method) && strings.Contains(e.Path, part) {
			found = append(found, *e)
		}
	}
	return found
}

// Sent sums the bytes of the answers to such requests.
func (l *Ledger) Sent(method, part string) (n int64) {
	for _, e := range l.Requests(method, part) {
		n += e.Sent
	}
	return n
}

// Received sums the bytes of the bodies of such requests.
func (l *Ledger) Received(method, part string) (n int64) {
	for _, e := range l.Requests(method, part) {
		n += e.Received
	}
	return n
}

// Reset forgets all requests.
func (l *Ledger) Reset() { l.locked(func() { l.entries = nil }) }

type countedBody struct {
	io.ReadCloser
	ledger *Ledger
	entry  *Entry
}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.ledger.locked(func() { b.entry.Received += int64(n) })
	return n, err
}

type recorder struct {
	http.ResponseWriter
	ledger *Ledger
	entry  *Entry
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	r.ledger.locked(func() { r.entry.Status = status })
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. It passes on a little at a time, so that what nobody took is not
// counted.
func (r *recorder) Write(p []byte) (n int, err error) {
	for first := true; first || len(p) > 0 && err == nil; first = false {
		piece := p[:min(len(p), 4<<10)]
		r.count(len(piece))
		var done int
		done, err = r.ResponseWriter.Write(piece)
		n, p = n+done, p[len(piece):]
	}
	return n, err
}

// count adds to what was sent. The body of an answer to HEAD is not sent.
func (r *recorder) count(n int) {
	r.ledger.locked(func() {
		if r.entry.Status == 0 {
			r.entry.Status = http.StatusOK
		}
		if r.entry.Method != http.MethodHead {
			r.entry.Sent += int64(n)
		}
	})
}

// Hijack implements http.Hijacker.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

// Flush implements http.Flusher.
func (r *recorder) Flush() { http.NewResponseController(r.ResponseWriter).Flush() }
