package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"drayage/internal/retry"
)

const (
	// maxTries bounds how often one request is sent: with the delays between them for a quarter of a minute.
	maxTries = 6
	// maxReturnTries is the bound for a registry that has gone away in the midst of the work: for a minute.
	maxReturnTries = 8
	// maxRefusals is how often a request is refused its authorization before it is given up, where each time another request had
	// got a new token already.
	maxRefusals = 3
	// maxWait is the longest Retry-After that is obeyed. A pull limit of hours is
	// better told to the user than slept through.
	maxWait = 3 * time.Minute
)

// host is a registry as one client knows it: where it is, how it wants to be authenticated with and
// whether it has asked for quiet.
type host struct {
	client       *Client
	name         string  // as in references; that of a mirror is its host
	at           url.URL // the root of its API, perhaps without a scheme
	fallbackHTTP bool
	header       http.Header // for its own origin only
	http         *http.Client
	auth         authorizer
	pause        pause
	extraStreams chan struct{} // holds one for each extra stream
	answered     atomic.Bool   // it has been there
	downUntil    atomic.Int64  // in Unix nanoseconds: until then another endpoint is asked, if there is one
	small        atomic.Bool   // whole blobs are too large for one request there
	noPatch      atomic.Bool   // blobs go whole or not at all
	referrers    sync.Mutex    // held while a tag of referrers is read and replaced

	detect sync.Mutex
	base   *url.URL // nil until the scheme is known
}

// request is a request that can be sent again.
type request struct {
	method   string
	url      *url.URL
	header   http.Header
	body     *body  // nil: none
	scope    string // what a token must allow, such as repository:library/alpine:pull
	accept   []int  // statuses that are not errors
	renewed  bool   // the authorization has been renewed, and is not again
	refusals int    // of the authorization
	tries    int    // how often it is sent at most; 0 means maxTries
}

// url is the address of an API path, such as library/alpine/tags/list, below /v2/.
func (h *host) url(ctx context.Context, path string) (*url.URL, error) {
	base, err := h.endpoint(ctx)
	if err != nil {
		return nil, err
	}
	u := *base
	u.Path = strings.TrimSuffix(base.Path, "/") + "/" + path
	return &u, nil
}

// endpoint finds out, once, which scheme the registry speaks.
func (h *host) endpoint(ctx context.Context) (*url.URL, error) {
	h.detect.Lock()
	defer h.detect.Unlock()
	if h.base != nil {
		return h.base, nil
	}
	u := h.at
	switch {
	case u.Scheme != "":
	case h.client.PlainHTTP, isLoopback(u.Host) && h.speaksPlainHTTP(ctx, u), h.fallbackHTTP && !h.speaksTLS(ctx, u):
		u.Scheme = "http"
	default:
		u.Scheme = "https"
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	h.base = &u
	return h.base, nil
}

// probeTime bounds the question which scheme is spoken.
const probeTime = 10 * time.Second

// probe asks for the API with one scheme.
func (h *host) probe(ctx context.Context, u url.URL, scheme string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	u.Scheme = scheme
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := h.http.Transport.RoundTrip(req)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

// speaksTLS reports whether anything at the address takes a TLS connection.
func (h *host) speaksTLS(ctx context.Context, u url.URL) bool {
	_, err := h.probe(ctx, u, "https")
	return err == nil || errors.As(err, new(*tls.CertificateVerificationError))
}

// speaksPlainHTTP asks a loopback address for its API over http. A TLS server answers that with
// garbage, a hang-up, or a 400 that says so.
func (h *host) speaksPlainHTTP(ctx context.Context, u url.URL) bool {
	resp, err := h.probe(ctx, u, "http")
	if err != nil {
		// Nobody there: http, so that the error is about the connection and not about TLS.
		return strings.Contains(err.Error(), "connection refused") || h.answersPlainly(ctx, u)
	}
	return resp.StatusCode != http.StatusBadRequest
}

// answersPlainly reports whether TLS is answered in http: then it was an accident that http was not answered.
func (h *host) answersPlainly(ctx context.Context, u url.URL) bool {
	_, err := h.probe(ctx, u, "https")
	var plain tls.RecordHeaderError
	return errors.As(err, &plain) && string(plain.RecordHeader[:]) == "HTTP/"
}

// do sends r until it is answered with a status that r accepts, authenticating and retrying as
// needed. The caller closes the answer's body. An error is marked transient only where r had
// a body that cannot be sent again from here.
func (h *host) do(ctx context.Context, r *request) (*http.Response, error) {
	var backoff retry.Backoff
	for try := 1; ; try++ {
		if err := h.pause.wait(ctx); err != nil {
			return nil, err
		}
		began := time.Now()
		resp, err := h.send(ctx, r)
		if err == nil && slices.Contains(r.accept, resp.StatusCode) {
			h.auth.took(resp)
			h.warnings(resp)
			return resp, nil
		}
		if err == nil && resp.StatusCode == http.StatusUnauthorized && !r.renewed {
			if err := h.renew(ctx, r, resp, began); err != nil {
				return nil, err
			}
			try--
			continue
		}
		if err == nil && resp.StatusCode == http.StatusUnauthorized {
			return nil, h.auth.denied(resp)
		}
		delay, transient, err := h.failure(r, resp, err)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case transient && !r.body.replayable():
			return nil, retry.Transient(err)
		case !transient || try >= h.most(r, err):
			return nil, err
		}
		if delay == 0 {
			delay = backoff.Delay(try)
		}
		if err := retry.Sleep(ctx, delay); err != nil {
			return nil, err
		}
	}
}

// answer is do for a request whose answer says all in its status and headers. It closes the body.
func (h *host) answer(ctx context.Context, r *request) (*http.Response, error) {
	resp, err := h.do(ctx, r)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

// read sends r and returns the body of the answer, which is at most limit bytes. A body that breaks off is asked for again.
func (h *host) read(ctx context.Context, r *request, limit int64) (*http.Response, []byte, error) {
	var backoff retry.Backoff
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
			return resp, raw, nil
		case ctx.Err() != nil:
			return nil, nil, context.Cause(ctx)
		case try >= maxTries:
			return nil, nil, &NetworkError{Host: r.url.Host, Err: err}
		}
		if err := retry.Sleep(ctx, backoff.Delay(try)); err != nil {
			return nil, nil, err
		}
	}
}

// most is how often r is sent when it fails with err. A registry that was there a moment ago is given time to come back; a
// port on which nothing has listened so far rarely changes within seconds.
func (h *host) most(r *request, err error) int {
	switch {
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

// renew authenticates after the 401 in resp, which it closes.
func (h *host) renew(ctx context.Context, r *request, resp *http.Response, began time.Time) error {
	refused := newError(resp)
	r.refusals++
	fresh, err := h.auth.renew(ctx, resp, r.scope, began)
	r.renewed = fresh || r.refusals >= maxRefusals
	if err != nil {
		if errors.Is(err, errNoChallenge) {
			return refused
		}
		return err
	}
	if !r.body.replayable() {
		return retry.Transient(refused) // whoever made the body can make it again
	}
	return nil
}

// failure turns an answer or error into the error to return, says whether another try makes sense, and
// after what wait if the registry has asked for one.
func (h *host) failure(r *request, resp *http.Response, err error) (time.Duration, bool, error) {
	if e := own(err); e != nil {
		return 0, false, e
	}
	if err != nil {
		err, transient := networkError(r, err)
		return 0, transient, err
	}
	e := newError(resp)
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		wait, ok := retryAfter(resp.Header, time.Now())
		if wait > maxWait {
			e.Wait = wait
			return 0, false, e
		}
		if ok {
			h.pause.until(time.Now().Add(wait))
			if wait >= 2*time.Second {
				h.client.notify(fmt.Sprintf("%s asks to wait %s (%d %s)", h.name, wait.Round(time.Second), e.Status, http.StatusText(e.Status)))
			}
			return max(wait, time.Millisecond), true, e
		}
		return 0, !e.pullLimit(), e
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout, 522:
		return 0, true, e
	}
	return 0, false, e
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
