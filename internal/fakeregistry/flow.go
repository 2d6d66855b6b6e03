package fakeregistry

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"drayage/internal/imagetest"
)

// Endless answers with a piece of body over and over until the client has gone.
func Endless(code int, piece string, header ...string) Fault {
	return func(http.Handler) http.Handler {
		block := bytes.Repeat([]byte(piece), max(1, 32<<10/len(piece)))
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Add(header[i], header[i+1])
			}
			w.WriteHeader(code)
			for err := error(nil); err == nil && req.Context().Err() == nil; {
				_, err = w.Write(block)
			}
		})
	}
}

// Drip sends the body of the answer a few bytes at a time, with a pause behind each, until the client has
// gone.
func Drip(n int, pause time.Duration) Fault {
	return response(func(req *http.Request, w http.ResponseWriter) http.ResponseWriter {
		return &filter{ResponseWriter: w, body: func(p []byte, _ int64) ([]byte, error) {
			for len(p) > 0 {
				piece := p[:min(n, len(p))]
				if _, err := w.Write(piece); err != nil {
					return nil, err
				}
				http.NewResponseController(w).Flush()
				if p = p[len(piece):]; !sleep(req, pause) {
					return nil, errStopped
				}
			}
			return nil, nil
		}}
	})
}

// sleep reports whether the client is still there after a time.
func sleep(req *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-req.Context().Done():
		return false
	}
}

// Rewrite changes the whole body of a successful answer, which is held in memory, and its length with it.
func Rewrite(change func(body []byte) []byte, header ...string) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			held := httptest.NewRecorder()
			next.ServeHTTP(held, req)
			for name, values := range held.Header() {
				w.Header()[name] = values
			}
			raw := held.Body.Bytes()
			if held.Code/100 == 2 {
				raw = change(raw)
				w.Header().Del("Content-Length")
				for i := 0; i+1 < len(header); i += 2 {
					w.Header().Del(header[i])
					if header[i+1] != "" {
						w.Header().Set(header[i], header[i+1])
					}
				}
			}
			w.WriteHeader(held.Code)
			w.Write(raw)
		})
	}
}

// Gzip compresses the body of the answer although nobody has asked for it, and says so.
func Gzip() Fault {
	return Rewrite(imagetest.Gzip, "Content-Encoding", "gzip")
}

// Abort drops the connection before any answer, after it has read n bytes of the request's body.
func Abort(n int64) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			io.CopyN(io.Discard, req.Body, n)
			panic(http.ErrAbortHandler)
		})
	}
}
