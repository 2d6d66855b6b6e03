package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drayage/internal/kind"
)

// probeTime bounds the question which scheme a host speaks.
const probeTime = 10 * time.Second

// host is a registry as one client knows it.
type host struct {
	client       *Client
	name         string  // as in references; that of a mirror is its host
	at           url.URL // the root of its API, perhaps without a scheme
	fallbackHTTP bool
	header       http.Header // for its own origin only
	transport    http.RoundTripper
	foreign      bool // its address is from a manifest
	auth         authorizer
	pause        pause
	extraStreams chan struct{} // holds one for each extra stream
	answered     atomic.Bool   // it has been there
	downUntil    atomic.Int64  // in Unix nanoseconds: until then other endpoints are asked first
	small        atomic.Bool   // whole blobs are too large for one request there
	sized        atomic.Bool   // bodies have to say how large they are
	streams      atomic.Bool   // it has taken one that did not, or was not to be asked before
	noPatch      atomic.Bool   // it takes whole blobs only
	referrers    sync.Mutex    // held while a tag of referrers is read and replaced

	detect sync.Mutex
	base   *url.URL // nil until the scheme is known
}

func (c *Client) newHost(name string, rt http.RoundTripper) *host {
	h := &host{client: c, name: name, transport: rt}
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

func (h *host) probe(ctx context.Context, u url.URL, scheme string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	u.Scheme = scheme
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := h.roundTrip(req, 1)
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
	return answersPlainly(err)
}

// answersPlainly reports whether TLS was answered in http.
func answersPlainly(err error) bool {
	var plain tls.RecordHeaderError
	return errors.As(err, &plain) && string(plain.RecordHeader[:]) == "HTTP/"
}

// owns reports whether u has the registry's own origin.
func (h *host) owns(u *url.URL) bool { return h.base != nil && sameOrigin(h.base, u) }

// Ping logs in to a registry with the credential that Client.Credentials has for it. Where strangers are let
// in too, Ping gives the password unasked. An error matches ErrDenied if the credential is refused.
func (c *Client) Ping(ctx context.Context, registry string) error {
	p := c.Repository(Reference{Registry: registry}).own
	if p.noRead != nil {
		return p.noRead
	}
	return p.host.login(ctx)
}

func (h *host) login(ctx context.Context) error {
	began := time.Now()
	resp, err := h.ping(ctx, nil, http.StatusOK)
	if err != nil || h.auth.proven.Load() {
		return err
	}
	cred, err := h.credential(ctx, "")
	if err != nil || cred.Password == "" {
		return err
	}
	if !wantsToken(resp) {
		password := http.Header{"Authorization": {cred.basic()}}
		resp, err = h.ping(ctx, password, http.StatusOK, http.StatusUnauthorized)
		switch {
		case err != nil:
			return err
		case resp.StatusCode == http.StatusOK:
			h.client.notify(h.name + " lets in users without a password too, so it may not have looked at yours")
			return nil
		case !wantsToken(resp):
			return kind.Errorf(ErrDenied, "%s refuses the user name or password", h.name)
		}
	}
	if _, err := h.auth.renew(ctx, resp, "", began); err != nil {
		return err
	}
	_, err = h.ping(ctx, nil, http.StatusOK)
	return err
}

// ping asks for the root of the API and returns the answer without its body. A web page is no answer.
func (h *host) ping(ctx context.Context, header http.Header, accept ...int) (*http.Response, error) {
	u, err := h.url(ctx, "")
	if err != nil {
		return nil, err
	}
	resp, err := h.do(ctx, &request{method: http.MethodGet, url: u, header: header, accept: accept})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody)) // so that the connection can be used again
	switch {
	case !h.owns(resp.Request.URL):
		return nil, refusePage("%s is no registry: it sends its users to %s", redact(u), redact(resp.Request.URL))
	case strings.Contains(resp.Header.Get("Content-Type"), "html"):
		return nil, refusePage("%s is no registry: the answer is a web page; "+
			"does a proxy or login page stand in front of it?", redact(u))
	}
	return resp, nil
}

func wantsToken(resp *http.Response) bool {
	return slices.ContainsFunc(parseChallenges(resp.Header), challenge.namesTokenServer)
}
