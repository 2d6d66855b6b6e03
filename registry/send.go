package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	defaultStall = time.Minute
	// commitTime is how long a registry may think after it has a whole body: it may be moving gigabytes from
	// one store to another.
	commitTime = 10 * time.Minute
	// minMoved is how many bytes of a body have to come in the time in which nothing may come at all. A
	// connection that trickles is no better than a dead one, and another one may do.
	minMoved = 256
)

var errStalled = errors.New("no data to speak of for too long")

type body struct {
	open   func() (io.ReadCloser, error)
	length int64 // -1: unknown
	once   bool  // the request may not be repeated with it
}

func (b *body) replayable() bool { return b == nil || !b.once }

func bytesBody(p []byte) *body {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p)), nil }
	return &body{length: int64(len(p)), open: open}
}

// maxDrained is how much of an answer is read that nobody needs, so that its connection can be used again.
const maxDrained = 2 << 10

// send sends r once, with what authorization there is, and to where redirects lead.
func (h *host) send(ctx context.Context, r *request) (*http.Response, error) {
	w := way{at: r.url}
	if r.told != nil {
		w.otherPort(way{at: r.told})
	}
	for {
		resp, err := h.sendTo(ctx, r, w)
		if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" && w.other != nil {
			w = *w.other
			continue
		}
		if err != nil {
			return nil, err
		}
		goes, err := h.follow(r, &w, resp)
		if !goes && err == nil {
			return resp, nil
		}
		if resp.ContentLength <= maxDrained {
			io.CopyN(io.Discard, resp.Body, maxDrained)
		}
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
	}
}

// sendTo sends r to where it has come. It opens the body first: where an upload is resumed, that may take
// longer than a token is valid.
func (h *host) sendTo(ctx context.Context, r *request, w way) (resp *http.Response, err error) {
	content := io.ReadCloser(http.NoBody)
	if r.body != nil {
		if content, err = r.body.open(); err != nil {
			return nil, &ownError{err}
		}
		if r.blob {
			content = counting{content, &h.client.sent}
		}
	}
	watched, cancel := context.WithCancelCause(ctx)
	req, err := h.authorized(watched, r, w)
	if err != nil {
		content.Close()
		cancel(nil)
		return nil, &ownError{err}
	}
	dog := newWatchdog(h.client.StallTimeout, cancel)
	sent := attach(req, r.body, content, dog)
	r.cookies.put(req)
	// A body that was asked about and is not wanted is held back only if the connection ends with the answer.
	req.Close = req.Header.Get("Expect") != ""
	resp, err = h.roundTrip(req, r.attempt)
	dog.Stop()
	if err != nil {
		if context.Cause(watched) == errStalled {
			err = errStalled
		} else if answersPlainly(err) {
			err = http.ErrSchemeMismatch
		}
		cancel(nil)
		ended(ctx, sent)
		return nil, &url.Error{Op: r.method, URL: w.at.String(), Err: err}
	}
	h.answered.Store(true)
	resp.Request = req
	r.cookies.keep(resp)
	closed := func() { ended(ctx, sent) }
	resp.Body = &watchedBody{ReadCloser: resp.Body, dog: dog, ctx: watched, cancel: cancel, sent: closed}
	return resp, nil
}

// ended waits until the content of a request is closed: net/http may read on after it has given up.
func ended(ctx context.Context, sent <-chan struct{}) {
	select {
	case <-sent:
	case <-ctx.Done():
	}
}

// authorized makes the request that is sent for r, without its body.
func (h *host) authorized(ctx context.Context, r *request, w way) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, w.at.String(), nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, r.header)
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", cmp.Or(h.client.UserAgent, "drayage"))
	if w.away {
		keepDescribing(req.Header)
	} else if h.owns(req.URL) {
		maps.Copy(req.Header, h.header)
		if !r.anonymous {
			err = h.auth.authorize(ctx, req, r.scope)
		}
	}
	if u := w.at.User; u != nil && req.Header.Get("Authorization") == "" { // an address may bring its own
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	return req, err
}

// attach gives a request its body. What it returns is closed when nobody reads the content any more.
func attach(req *http.Request, b *body, content io.ReadCloser, dog *watchdog) <-chan struct{} {
	u := &watchedUpload{ReadCloser: content, dog: dog, closed: make(chan struct{})}
	if b == nil {
		close(u.closed)
		return u.closed
	}
	req.ContentLength, req.Body = b.length, u
	if b.length == 0 {
		close(u.closed)
		content.Close()
		req.Body = http.NoBody
		if req.Method == http.MethodPut { // the commit of what was sent before
			dog.Reset(commitTime)
		}
	}
	return u.closed
}

// watchdog cancels a request on which nothing moves. It runs while drayage waits for the network, and stands
// still while the network waits for drayage.
type watchdog struct {
	*time.Timer
	stall time.Duration
}

func newWatchdog(stall time.Duration, cancel context.CancelCauseFunc) *watchdog {
	if stall <= 0 {
		stall = defaultStall
	}
	return &watchdog{time.AfterFunc(stall, func() { cancel(errStalled) }), stall}
}

// watchedBody is the body of an answer.
type watchedBody struct {
	io.ReadCloser
	dog    *watchdog
	ctx    context.Context
	cancel context.CancelCauseFunc
	sent   func()        // waits until the body of the request is closed: a server may answer before
	waited time.Duration // for the last moved bytes, which are fewer than minMoved
	moved  int
}

func (b *watchedBody) Read(p []byte) (int, error) {
	began := time.Now()
	b.dog.Reset(b.dog.stall - b.waited)
	n, err := b.ReadCloser.Read(p)
	b.dog.Stop()
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
	b.dog.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	b.sent()
	return err
}

// watchedUpload is the body of a request.
type watchedUpload struct {
	io.ReadCloser
	dog    *watchdog
	once   sync.Once
	closed chan struct{}
}

func (u *watchedUpload) Close() error {
	err := u.ReadCloser.Close()
	u.once.Do(func() { close(u.closed) })
	return err
}

func (u *watchedUpload) Read(p []byte) (int, error) {
	u.dog.Stop()
	n, err := u.ReadCloser.Read(p)
	switch {
	case err == nil:
		u.dog.Reset(u.dog.stall)
	case err == io.EOF:
		u.dog.Reset(commitTime)
	default:
		err = &ownError{err}
	}
	return n, err
}
