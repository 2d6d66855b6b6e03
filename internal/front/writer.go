package front

import (
	"net/http"
	"time"
)

// writer is the way to a client. It counts, and gives up a client that takes nothing.
type writer struct {
	http.ResponseWriter
	control *http.ResponseController
	until   time.Time // when the write that goes on now has to be done
	status  int
	bytes   int64
}

// The sizes of writes. A client has to take so much within stallTime.
const maxWrite = 256 << 10

func newWriter(w http.ResponseWriter) *writer {
	return &writer{ResponseWriter: w, control: http.NewResponseController(w)}
}

// Unwrap lets a http.ResponseController find the connection.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *writer) Write(p []byte) (n int, err error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	for {
		part := p[n:min(len(p), n+maxWrite)]
		w.extend()
		m, err := w.ResponseWriter.Write(part)
		n, w.bytes = n+m, w.bytes+int64(m)
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// Flush implements http.Flusher.
func (w *writer) Flush() {
	w.extend()
	_ = w.control.Flush() // the next Write tells what is wrong
}

// extend gives the next write its time. It does so now and then only: with HTTP/2 that is work for others.
func (w *writer) extend() {
	now := time.Now()
	if w.until.Sub(now) > stallTime*9/10 {
		return
	}
	w.until = now.Add(stallTime)
	_ = w.control.SetWriteDeadline(w.until) // what cannot do that, has no connection
}
