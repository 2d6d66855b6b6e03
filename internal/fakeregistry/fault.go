package fakeregistry

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing/iotest"
	"time"
)

// Status answers with a status and headers, given as name, value, name, value and so on. The body of the
// request is read first.
func Status(code int, header ...string) Fault { return Answer(code, "", header...) }

// Answer is Status with a body.
func Answer(code int, body string, header ...string) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			io.Copy(io.Discard, req.Body)
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Add(header[i], header[i+1])
			}
			w.WriteHeader(code)
			io.WriteString(w, body)
		})
	}
}

// Page answers with a web page, as login pages and galleries in front of registries do.
func Page() Fault {
	return Answer(http.StatusOK, "<!DOCTYPE html><html><body>Please log in</body></html>", "Content-Type",
		"text/html; charset=utf-8")
}

// Redirect sends the client to the same path on another host, such as http://127.0.0.1:5000. base may have a
// query.
func Redirect(code int, base string) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			u, err := url.Parse(base)
			if err != nil {
				panic(err)
			}
			u.Path = strings.TrimSuffix(u.Path, "/") + req.URL.Path
			w.Header().Set("Location", u.String())
			w.WriteHeader(code)
		})
	}
}

// IgnoreRange makes the registry send the whole blob where a range was asked for.
func IgnoreRange() Fault {
	return request(func(req *http.Request) { req.Header.Del("Range") })
}

var rangeHeader = regexp.MustCompile(`^bytes=(\d+)-(\d*)$`)

// ShiftRange makes the registry send another range than the one asked for, and say so.
func ShiftRange(by int64) Fault {
	return request(func(req *http.Request) {
		if m := rangeHeader.FindStringSubmatch(req.Header.Get("Range")); m != nil {
			first, _ := strconv.ParseInt(m[1], 10, 64)
			req.Header.Set("Range", "bytes="+strconv.FormatInt(first+by, 10)+"-"+m[2])
		}
	})
}

// request changes a request before the registry sees it. The ledger has it unchanged.
func request(change func(*http.Request)) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			changed := req.Clone(req.Context())
			change(changed)
			next.ServeHTTP(w, changed)
		})
	}
}

// Forget makes the registry lose all upload sessions before it looks at the request.
func (r *Registry) Forget() Fault {
	return request(func(*http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		clear(r.sessions)
	})
}

// Call calls f before the registry sees the request.
func Call(f func(*http.Request)) Fault { return request(f) }

// Delay makes the registry think for a time after it has read the body, unless the client goes away.
func Delay(d time.Duration) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			t := time.NewTimer(d)
			defer t.Stop()
			select {
			case <-t.C:
			case <-req.Context().Done():
				panic(http.ErrAbortHandler)
			}
			req.Body = replay(body)
			next.ServeHTTP(w, req)
		})
	}
}

// CutBody closes the connection when k bytes of the request's body have been read.
func CutBody(k int64) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			io.CopyN(io.Discard, req.Body, k)
			reset(w)
		})
	}
}

// CutKeeping is CutBody for a registry that keeps what it has received.
func CutKeeping(k int64) Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			req.Body = io.NopCloser(io.MultiReader(io.LimitReader(req.Body, k), iotest.ErrReader(io.ErrUnexpectedEOF)))
			next.ServeHTTP(void{http.Header{}}, req)
			reset(w)
		})
	}
}

// Early answers without having read the body.
func Early(code int, header ...string) Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Add(header[i], header[i+1])
			}
			w.WriteHeader(code)
		})
	}
}

// LoseAnswer lets the registry do what it is asked for, and closes the connection instead of answering.
func LoseAnswer() Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			next.ServeHTTP(void{http.Header{}}, req)
			reset(w)
		})
	}
}

// void takes an answer that nobody gets.
type void struct{ header http.Header }

func (v void) Header() http.Header         { return v.header }
func (v void) Write(p []byte) (int, error) { return len(p), nil }
func (v void) WriteHeader(int)             {}

// reset closes the connection under an answer, with a TCP reset if it is TCP.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}
