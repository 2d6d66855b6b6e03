package front

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Bounds on what clients can hold here. docs/serve.md names them.
const (
	headerTime     = 10 * time.Second // to send the header of a request, and the body of one that has any
	idleTime       = 2 * time.Minute  // between two requests of a connection
	stallTime      = 2 * time.Minute  // in which a client takes nothing of what it asked for
	turnTime       = 30 * time.Second // for which a request waits while too many others run
	headerBytes    = 64 << 10
	maxConnections = 4096
	maxRequests    = 2048 // at once, of all connections
	maxWaiting     = 2048 // further ones, which wait for their turn
	maxStreams     = 100  // of a connection of HTTP/2
	maxScrapes     = 64   // connections for metrics
)

func (f *Front) server(requests context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams, WriteByteTimeout: stallTime, SendPingTimeout: idleTime / 2,
		},
		ErrorLog:    f.complaints(),
		BaseContext: func(net.Listener) context.Context { return requests },
	}
}

// errBusy is what the log says of a request that found too many others.
var errBusy = errors.New("too many requests at once")

// handler answers everything. When stopping ends, it is not healthy any more.
func (f *Front) handler(stopping context.Context, site Site) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		f.running.Add(1)
		f.inFlight.Add(1)
		defer f.running.Done()
		rec := newRecord(r)
		w := newWriter(rw)
		defer f.end(w, rec)
		f.boundBody(w, r)
		if !f.takeTurn(r.Context()) {
			rec.err = errBusy
			w.Header().Set("Retry-After", "5")
			plain(w, http.StatusServiceUnavailable, "too many requests at once")
			return
		}
		defer func() { <-f.turns }()
		f.route(w, rec, stopping, site)
	})
}

func (f *Front) takeTurn(ctx context.Context) bool {
	select {
	case f.turns <- struct{}{}:
		return true
	default:
	}
	if f.waiting.Add(1) > maxWaiting { // HTTP/2 lets each connection have a hundred
		f.waiting.Add(-1)
		return false
	}
	defer f.waiting.Add(-1)
	late := time.NewTimer(turnTime)
	defer late.Stop()
	select {
	case f.turns <- struct{}{}:
		return true
	case <-late.C:
	case <-ctx.Done():
	}
	return false
}

// boundBody gives a body, which nothing here needs, little time, and its connection no other request.
func (f *Front) boundBody(w *writer, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	w.Header().Set("Connection", "close")
	_ = w.control.SetReadDeadline(time.Now().Add(headerTime)) // what cannot do that, has no connection
	r.Body = http.MaxBytesReader(w, r.Body, headerBytes)
}

func (f *Front) route(w *writer, rec *record, stopping context.Context, site Site) {
	r := rec.request
	path := r.URL.Path
	switch {
	case path == "/healthz":
		rec.what = "health"
		if stopping.Err() != nil {
			plain(w, http.StatusServiceUnavailable, "stopping")
			return
		}
		healthy(w)
	case path == "/ca.crt" && f.SelfSigned() != nil:
		rec.what = "page"
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(f.SelfSigned().PEM) // who asked has gone away
	case !f.admit(w, rec):
	case path == "/v2" || strings.HasPrefix(path, "/v2/"):
		site.Registry.ServeHTTP(w, r)
	case site.Pages != nil:
		rec.what = "page"
		site.Pages.ServeHTTP(w, r)
	default:
		plain(w, http.StatusNotFound, "there is nothing here but /v2/")
	}
}

func healthy(w http.ResponseWriter) { plain(w, http.StatusOK, "ok") }

// plain answers with a line of text.
func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // who asked has gone away
}
