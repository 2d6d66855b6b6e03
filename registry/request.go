package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"drayage/internal/retry"
)

const (
	// maxTries bounds how often one request is sent. With the delays between them that takes a quarter of a
	// minute.
	maxTries = 6
	// maxReturnTries is the bound for a registry that went away in the midst of the work: a minute.
	maxReturnTries = 8
	// maxRefusals is how often a request is refused its authorization before it is given up, where another
	// request had got a new token each time.
	maxRefusals = 3
)

type request struct {
	method    string
	url       *url.URL
	told      *url.URL // who has named url; nil: it is ours
	header    http.Header
	body      *body    // nil: none
	scope     string   // what a token must allow, such as repository:library/alpine:pull
	cookies   *cookies // nil: none are kept
	blob      bool     // the body is one, or a part of one
	secret    bool     // the body logs in: it goes to no other origin
	anonymous bool     // it goes out without an authorization
	accept    []int    // statuses that are not errors
	renewed   bool     // the authorization has been renewed, and is not renewed again
	refusals  int      // of the authorization
	tries     int      // how often it is sent at most; 0: maxTries
	attempt   int      // how often it has been sent, this time included
}

// do sends r until it is answered with a status that r accepts. It authenticates and repeats r as needed.
// The caller closes the body of the answer. An error is marked transient only where r had a body that cannot
// be sent again from here.
func (h *host) do(ctx context.Context, r *request) (*http.Response, error) {
	for try := 1; ; try++ {
		if err := h.pause.wait(ctx); err != nil {
			return nil, err
		}
		r.attempt = try
		began := time.Now()
		resp, err := h.sendKnown(ctx, r)
		if err == nil && slices.Contains(r.accept, resp.StatusCode) {
			h.auth.took(resp)
			h.warnings(resp)
			return resp, nil
		}
		var refused *Error
		if err == nil {
			refused = newError(resp)
		}
		if refused != nil && refused.Status == http.StatusUnauthorized && !refused.RateLimited() {
			if err := h.renew(ctx, r, resp, refused, began); err != nil {
				return nil, err
			}
			try--
			continue
		}
		delay, transient, err := h.failure(ctx, r, refused, err)
		most := h.most(ctx, r, err)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !transient || try >= most && r.body.replayable():
			return nil, err // nobody waits any more
		case refused != nil && refused.paused:
			h.client.observe(&Pause{h.name, refused.after, refused})
		}
		if !r.body.replayable() {
			return nil, retry.Transient(err)
		}
		again := &Retry{Number: try, Most: most - 1, Wait: max(delay, retry.Delay(try)), Cause: err}
		if again.Asked = refused != nil && delay >= tellPause && h.pause.left() > 0; again.Asked {
			again.Wait = max(again.Wait, h.pause.left())
		}
		if err := h.again(ctx, again); err != nil {
			return nil, err
		}
	}
}

// again tells of a retry and waits for it.
func (h *host) again(ctx context.Context, r *Retry) error {
	h.retrying(r)
	return retry.Sleep(ctx, r.Wait)
}

// answer is do for a request whose answer says all in its status and headers. It closes the body.
func (h *host) answer(ctx context.Context, r *request) (*http.Response, error) {
	resp, err := h.do(ctx, r)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

// write is answer for a request that changes something. A web page is no sign that it has.
func (h *host) write(ctx context.Context, r *request) (*http.Response, error) {
	resp, err := h.answer(ctx, r)
	if err == nil && resp.StatusCode == http.StatusOK && isPage(resp.Header) {
		return nil, refusePage("%s %s: the answer is a web page: is this address a registry?",
			r.method, redact(resp.Request.URL))
	}
	return resp, err
}

// read sends r and returns the body of the answer, which is at most limit bytes. It asks again for a body
// that breaks off.
func (h *host) read(ctx context.Context, r *request, limit int64) (*http.Response, []byte, error) {
	for try := 1; ; try++ {
		resp, err := h.do(ctx, r)
		if err != nil {
			return nil, nil, err
		}
		raw, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
		resp.Body.Close()
		switch {
		case err == nil && int64(len(raw)) > limit:
			return nil, nil, refuse("%s: the answer is larger than %d bytes", redact(r.url), limit)
		case err == nil:
			return resp, unpacked(resp.Header, raw, limit), nil
		case ctx.Err() != nil:
			return nil, nil, context.Cause(ctx)
		case try >= maxTries, hasOneTry(ctx):
			return nil, nil, &NetworkError{Host: r.url.Host, Err: err}
		}
		broken := &Retry{Number: try, Most: maxTries - 1, Wait: retry.Delay(try),
			Cause: &NetworkError{Host: r.url.Host, Err: err}}
		if err := h.again(ctx, broken); err != nil {
			return nil, nil, err
		}
	}
}

// most is how often r is sent when it fails with err. A registry that was there a moment ago is given time to
// come back. A port on which nothing has listened so far rarely changes within seconds.
func (h *host) most(ctx context.Context, r *request, err error) int {
	switch {
	case hasOneTry(ctx):
		return 1
	case r.tries > 0:
		return r.tries
	case !errors.As(err, new(*NetworkError)):
		return maxTries
	case h.answered.Load():
		return maxReturnTries
	case errors.Is(err, syscall.ECONNREFUSED):
		return 3
	}
	return maxTries
}

// renew authenticates after a 401. An error says that r is not to be sent again.
func (h *host) renew(
	ctx context.Context, r *request, resp *http.Response, refused *Error, began time.Time,
) error {
	if r.renewed {
		return h.auth.denied(resp, refused)
	}
	r.refusals++
	fresh, err := h.auth.renew(ctx, resp, r.scope, began)
	r.renewed = fresh || r.refusals >= maxRefusals
	switch {
	case errors.Is(err, errNoChallenge):
		return refused
	case err == nil && !r.body.replayable():
		return retry.Transient(refused) // whoever made the body can make it again
	}
	return err
}

// failure turns a refusal or an error into the error to return. It says whether another try makes sense, and
// after what wait if the registry asked for one.
func (h *host) failure(
	ctx context.Context, r *request, e *Error, err error,
) (time.Duration, bool, error) {
	var own *ownError
	if errors.As(err, &own) {
		return 0, false, own.error
	}
	if err != nil {
		err, transient := networkError(r, err)
		return 0, transient, err
	}
	delay, transient := h.respond(ctx, e)
	return delay, transient, e
}

// warnings passes on what the registry wants users to see
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#warnings).
func (h *host) warnings(resp *http.Response) {
	for _, w := range resp.Header.Values("Warning") {
		if text, ok := strings.CutPrefix(w, "299 - "); ok {
			h.client.notify(h.name + ": " + printable(strings.Trim(text, `"`), 300))
		}
	}
}

// pause holds back all requests to a host that said it is busy. If one worker waits and the others go on
// asking, the host stays busy.
type pause struct {
	mu  sync.Mutex
	end time.Time
}

// until makes the pause last until t at least. It reports whether it grows by something that is worth a word.
func (p *pause) until(t time.Time) (grows bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if grows = t.Sub(p.end) > time.Second; t.After(p.end) {
		p.end = t
	}
	return grows
}

func (p *pause) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.end)
}

func (p *pause) wait(ctx context.Context) error { return retry.Sleep(ctx, p.left()) }
