package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// probeTime bounds the question which scheme a host speaks.
	probeTime = 10 * time.Second
	// downTime is how long an endpoint that could not be reached, after all tries, comes after the others.
	downTime = time.Minute
)

// host is a registry as one client knows it: where it is, how it wants requests to be authenticated, and
// what it turned out to be like.
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
	downUntil    atomic.Int64  // in Unix nanoseconds: until then other endpoints are asked first
	small        atomic.Bool   // whole blobs are too large for one request there
	noPatch      atomic.Bool   // it takes whole blobs only
	referrers    sync.Mutex    // held while a tag of referrers is read and replaced

	detect sync.Mutex
	base   *url.URL // nil until the scheme is known
}

// newHost returns a host to which requests go through rt.
func (c *Client) newHost(name string, rt http.RoundTripper) *host {
	h := &host{client: c, name: name, http: &http.Client{Transport: rt, CheckRedirect: checkRedirect}}
	h.auth.host, h.auth.tokens, h.auth.refused = h, map[string]token{}, map[string]error{}
	return h
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
	case h.client.PlainHTTP, isLoopback(u.Host) && h.speaksHTTP(ctx, u), h.fallbackHTTP && !h.speaksTLS(ctx, u):
		u.Scheme = "http"
	default:
		u.Scheme = "https"
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	h.base = &u
	return h.base, nil
}

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

// speaksHTTP asks a loopback address for its API over http. A TLS server answers that with garbage, a
// hang-up, or a 400 that says so.
func (h *host) speaksHTTP(ctx context.Context, u url.URL) bool {
	resp, err := h.probe(ctx, u, "http")
	if err == nil {
		return resp.StatusCode != http.StatusBadRequest
	}
	if strings.Contains(err.Error(), "connection refused") {
		return true // nobody is there: the error is to be about the connection and not about TLS
	}
	// If TLS is answered in http it was an accident that http was not.
	_, err = h.probe(ctx, u, "https")
	var plain tls.RecordHeaderError
	return errors.As(err, &plain) && string(plain.RecordHeader[:]) == "HTTP/"
}

// failed notes that an endpoint could not serve. An endpoint that only lacks what it was asked for is fine.
func (h *host) failed(err error) {
	if errors.Is(err, ErrUnavailable) {
		h.downUntil.Store(time.Now().Add(downTime).UnixNano())
	}
}

// down reports whether an endpoint failed a short while ago.
func (h *host) down() bool { return time.Now().UnixNano() < h.downUntil.Load() }
