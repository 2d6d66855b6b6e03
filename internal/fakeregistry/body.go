package fakeregistry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// Header sets headers of the answer, given as name, value and so on. An empty value removes one.
func Header(header ...string) Fault {
	return response(func(req *http.Request, w http.ResponseWriter) http.ResponseWriter {
		return &filter{ResponseWriter: w, header: func(h http.Header) {
			for i := 0; i+1 < len(header); i += 2 {
				h.Del(header[i])
				if header[i+1] != "" {
					h.Set(header[i], header[i+1])
				}
			}
		}}
	})
}

// FlipByte changes the byte at a position of the answer's body.
func FlipByte(at int64) Fault {
	return body(func(p []byte, offset int64) ([]byte, error) {
		if i := at - offset; i >= 0 && i < int64(len(p)) {
			p = bytes.Clone(p)
			p[i] ^= 0x20
		}
		return p, nil
	})
}

// Short ends the body of the answer after n bytes, as if it had no more.
func Short(n int64) Fault {
	return body(func(p []byte, offset int64) ([]byte, error) {
		return p[:min(max(n-offset, 0), int64(len(p)))], nil
	}, "Content-Length", "")
}

// Extra sends more bytes after the end of the body.
func Extra(more string) Fault {
	return func(next http.Handler) http.Handler {
		return Header("Content-Length", "")(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(w, req)
			io.WriteString(w, more)
		}))
	}
}

// Cut closes the connection when k bytes of the answer's body have been sent.
func Cut(k int64) Fault {
	return stopAt(k, func(w http.ResponseWriter, _ *http.Request) {
		http.NewResponseController(w).Flush()
		reset(w)
	})
}

// End closes the connection in good order, without a reset, when k bytes of the answer's body have been sent.
func End(k int64) Fault {
	return stopAt(k, func(w http.ResponseWriter, _ *http.Request) {
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// Hang never answers; it ends when the client has gone.
func Hang() Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			io.Copy(io.Discard, req.Body)
			<-req.Context().Done()
			panic(http.ErrAbortHandler)
		})
	}
}

// Stall sends k bytes of the answer's body and then nothing until the client has gone.
func Stall(k int64) Fault {
	return stopAt(k, func(w http.ResponseWriter, req *http.Request) {
		http.NewResponseController(w).Flush()
		<-req.Context().Done()
	})
}

var errStopped = errors.New("stopped by a fault")

func stopAt(k int64, stop func(http.ResponseWriter, *http.Request)) Fault {
	return response(func(req *http.Request, w http.ResponseWriter) http.ResponseWriter {
		f := &filter{ResponseWriter: w}
		f.body = func(p []byte, offset int64) ([]byte, error) {
			if offset+int64(len(p)) < k {
				return p, nil
			}
			w.Write(p[:k-offset])
			stop(w, req)
			return nil, errStopped
		}
		return f
	})
}

func response(wrap func(*http.Request, http.ResponseWriter) http.ResponseWriter) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(wrap(req, w), req)
		})
	}
}

func body(change func(p []byte, offset int64) ([]byte, error), header ...string) Fault {
	return func(next http.Handler) http.Handler {
		return Header(header...)(response(func(_ *http.Request, w http.ResponseWriter) http.ResponseWriter {
			return &filter{ResponseWriter: w, body: change}
		})(next))
	}
}

// filter changes an answer on its way out.
type filter struct {
	http.ResponseWriter
	header func(http.Header)                                  // nil: unchanged
	body   func(p []byte, offset int64) (out []byte, _ error) // nil: unchanged
	offset int64
	begun  bool
	err    error
}

// WriteHeader implements http.ResponseWriter.
func (f *filter) WriteHeader(status int) {
	if f.begun = true; f.header != nil {
		f.header(f.Header())
	}
	f.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (f *filter) Write(p []byte) (int, error) {
	if !f.begun {
		f.WriteHeader(http.StatusOK)
	}
	if f.err != nil {
		return 0, f.err
	}
	out := p
	if f.body != nil {
		out, f.err = f.body(p, f.offset)
		f.offset += int64(len(p))
	}
	if f.err != nil {
		return 0, f.err
	}
	_, err := f.ResponseWriter.Write(out)
	return len(p), err
}

// Unwrap lets http.ResponseController find the connection.
func (f *filter) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func replay(p []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(p)) }
