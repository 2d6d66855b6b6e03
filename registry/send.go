package registry

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

const (
	defaultStall = time.Minute
	// commitTime is how long a registry may think after it has got a whole body: it may be
	// moving gigabytes from one store to another.
	commitTime = 10 * time.Minute
)

var errStalled = errors.New("no data to speak of for too long")

// minMoved is how many bytes of a body have to come in the time for which nothing may come at all: a connection that trickles is
// no better than a dead one, and another may do.
const minMoved = 256

// body is what a request sends.
type body struct {
	open   func() (io.ReadCloser, error)
	length int64 // -1: unknown
	once   bool  // open works a single time
}

func (b *body) replayable() bool { return b == nil || !b.once }

// content opens the body; nil is that of a request without one.
func (b *body) content() (io.ReadCloser, error) {
	if b == nil {
		return nil, nil
	}
	return b.open()
}

func bytesBody(p []byte) *body {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p)), nil }
	return &body{length: int64(len(p)), open: open}
}

// send sends r once, with what authorization there is. Its body is opened first: where an upload goes on that may take longer than a token is good for.
func (h *host) send(ctx context.Context, r *request) (*http.Response, error) {
	content, err := r.body.content()
	if err != nil {
		return nil, &ownError{err}
	}
	watched, cancel := context.WithCancelCause(ctx)
	req, err := h.authorized(watched, r)
	if err != nil {
		if content != nil {
			content.Close()
		}
		cancel(nil)
		return nil, &ownError{err}
	}
	dog := newWatchdog(h.client.StallTimeout, cancel)
	attach(req, r.body, content, dog)
	resp, err := h.http.Do(req)
	if err != nil {
		dog.stop()
		if context.Cause(watched) == errStalled {
			err = errStalled
		}
		cancel(nil)
		return nil, err
	}
	dog.stop()
	h.answered.Store(true)
	resp.Body = &watchedBody{ReadCloser: resp.Body, dog: dog, ctx: watched, cancel: cancel}
	return resp, nil
}

// authorized makes the request that is sent for r, without its body.
func (h *host) authorized(ctx context.Context, r *request) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url.String(), nil)
	if err != nil {
		return nil, err
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", h.userAgent())
	if h.base != nil && sameOrigin(h.base, req.URL) {
		for k, v := range h.header {
			req.Header[k] = v
		}
	}
	return req, h.auth.authorize(ctx, req, r.scope)
}

func (h *host) userAgent() string {
	if h.client.UserAgent != "" {
		return h.client.UserAgent
	}
	return "drayage"
}

func attach(req *http.Request, b *body, content io.ReadCloser, dog *watchdog) {
	if b == nil {
		return
	}
	req.ContentLength = b.length
	req.Body = &watchedUpload{ReadCloser: content, dog: dog}
	if b.length == 0 {
		content.Close()
		req.Body = http.NoBody
		if req.Method == http.MethodPut { // the commit of what was sent before
			dog.set(commitTime)
		}
	}
}

// watchdog cancels a request on which nothing moves. It is set while drayage waits for the
// network and stopped while the network waits for drayage.
type watchdog struct {
	timer *time.Timer
	stall time.Duration
}

func newWatchdog(stall time.Duration, cancel context.CancelCauseFunc) *watchdog {
	if stall <= 0 {
		stall = defaultStall
	}
	return &watchdog{stall: stall, timer: time.AfterFunc(stall, func() { cancel(errStalled) })}
}

func (w *watchdog) set(d time.Duration) { w.timer.Reset(d) }
func (w *watchdog) stop()               { w.timer.Stop() }

type watchedBody struct {
	io.ReadCloser
	dog    *watchdog
	ctx    context.Context
	cancel context.CancelCauseFunc
	waited time.Duration // for the last moved bytes, which are fewer than minMoved
	moved  int
}

func (b *watchedBody) Read(p []byte) (int, error) {
	began := time.Now()
	b.dog.set(b.dog.stall - b.waited)
	n, err := b.ReadCloser.Read(p)
	b.dog.stop()
	b.waited += time.Since(began)
	if b.moved += n; b.moved >= minMoved {
		b.waited, b.moved = 0, 0
	}
	if err != nil && err != io.EOF && context.Cause(b.ctx) == errStalled {
		err = errStalled
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.dog.stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

type watchedUpload struct {
	io.ReadCloser
	dog *watchdog
}

func (u *watchedUpload) Read(p []byte) (int, error) {
	u.dog.stop()
	n, err := u.ReadCloser.Read(p)
	switch {
	case err == nil:
		u.dog.set(u.dog.stall)
	case err == io.EOF:
		u.dog.set(commitTime)
	default:
		err = &ownError{err}
	}
	return n, err
}

// NetworkError says that a registry could not be talked to. It matches ErrUnavailable.
type NetworkError struct {
	Host string
	Hint string // what to do about it; may be empty
	Err  error
}

func (e *NetworkError) Error() string {
	s := fmt.Sprintf("cannot talk to %s: %v", e.Host, e.Err)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *NetworkError) Unwrap() error { return e.Err }

// Is implements matching for errors.Is.
func (e *NetworkError) Is(target error) bool { return target == ErrUnavailable }

// networkError says why r was not answered, and whether another try makes sense.
func networkError(r *request, err error) (e error, transient bool) {
	n := &NetworkError{Host: failedHost(r, err), Err: innermost(err)}
	var dns *net.DNSError
	var unknownCA x509.UnknownAuthorityError
	var header tls.RecordHeaderError
	var alert *net.OpError
	switch {
	case errors.As(err, new(*refusal)):
		return n.Err, false
	case errors.As(err, &dns) && dns.IsNotFound:
		n.Hint = "check the name; behind a proxy set HTTPS_PROXY"
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &header):
		n.Hint = "it does not speak TLS; --plain-http if that is meant to be"
	case errors.As(err, &unknownCA):
		n.Hint = "give its CA with --ca-file, or --insecure to go without verification"
	case errors.As(err, &alert) && alert.Op == "remote error":
		// The server has broken the handshake off and would do so again. crypto/tls tells why in its text only.
		if strings.Contains(alert.Err.Error(), "certificate") {
			n.Hint = "it wants a client certificate that it knows: put one into certs.d"
		}
	case errors.As(err, new(*tls.CertificateVerificationError)), errors.Is(err, context.Canceled):
	case errors.Is(err, syscall.ECONNREFUSED):
		n.Hint = "nothing listens there"
		return n, true
	default:
		return n, true
	}
	return n, false
}
