package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Endpoint is one way to reach a registry: the registry itself, or a mirror of it.
type Endpoint struct {
	// URL is the root of the API, which for most is https://host/v2/. An empty scheme means https, or
	// what Client.PlainHTTP and the rule for loopback addresses make of it.
	URL url.URL
	// Registry is the name that its credentials are kept under; empty: the registry's own, or for a mirror its host.
	Registry string
	// FallbackHTTP allows http, with an empty scheme, where nothing at the address speaks TLS.
	FallbackHTTP bool

	Transport  http.RoundTripper // used with this origin only, for its CA and client certificate; nil: Client.Transport
	Elsewhere  http.RoundTripper // used where this origin sends us, such as its storage and token server, for its CA; nil: Client.Transport
	Header     http.Header       // sent to this origin only
	Repository string            // what the repository is called there; empty: the same
	Namespace  string            // sent as the query parameter ns when reading; a mirror of several registries needs it

	Mirror              bool // another host than the registry: it gets credentials of its own only
	Tags, Digests, Push bool // what it is asked for
}

// ownEndpoint is where a registry is found by its name alone.
func ownEndpoint(registry string) Endpoint {
	return Endpoint{URL: url.URL{Host: apiHost(registry), Path: "/v2/"}, Tags: true, Digests: true, Push: true}
}

// Repository returns the repository that ref names. Its methods return the error of Client.Endpoints, if any.
func (c *Client) Repository(ref Reference) *Repository {
	if c.Endpoints == nil {
		return &Repository{own: c.at(ref, ownEndpoint(ref.Registry))}
	}
	r := &Repository{}
	endpoints, err := c.Endpoints(ref)
	for _, e := range endpoints {
		there := c.at(ref, e)
		r.readers = append(r.readers, reader{place: there, tags: e.Tags, digests: e.Digests})
		if e.Push && r.own == nil {
			r.own = there
		}
	}
	if r.own == nil {
		r.own = c.at(ref, ownEndpoint(ref.Registry))
		r.own.noPush = fmt.Errorf("no endpoint of %s is configured for pushing", ref.Registry)
	}
	r.own.err = err
	return r
}

// at is a repository as one endpoint has it.
func (c *Client) at(ref Reference, e Endpoint) *place {
	p := &place{registry: ref.Registry, name: ref.Repository, path: e.Repository, namespace: e.Namespace}
	if p.path == "" {
		p.path = ref.Repository
	}
	name := e.Registry
	switch {
	case name == "" && e.Mirror:
		name = e.URL.Host
	case name == "":
		name = ref.Registry
	}
	p.host = c.host(name, e)
	return p
}

// host returns what the client knows of an endpoint, under whose name its credentials are looked up.
func (c *Client) host(name string, e Endpoint) *host {
	elsewhere := c.transport()
	if e.Elsewhere != nil {
		elsewhere = e.Elsewhere
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := name + " " + e.URL.String()
	if h := c.hosts[key]; h != nil {
		return h
	}
	if c.hosts == nil {
		c.hosts = map[string]*host{}
	}
	h := &host{client: c, name: name, at: e.URL, fallbackHTTP: e.FallbackHTTP, header: e.Header, extraStreams: make(chan struct{}, c.extraStreams())}
	h.http = &http.Client{Transport: &originTransport{host: h, own: e.Transport, other: elsewhere}, CheckRedirect: checkRedirect}
	h.auth.host = h
	c.hosts[key] = h
	return h
}

// originTransport keeps a client certificate, and whatever else is configured for one endpoint, from the
// hosts that it redirects to.
type originTransport struct {
	host       *host
	own, other http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *originTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.own != nil && strings.EqualFold(req.URL.Host, t.host.at.Host) && (t.host.at.Scheme == "" || t.host.at.Scheme == req.URL.Scheme) {
		return t.own.RoundTrip(req)
	}
	return t.other.RoundTrip(req)
}

// CloseIdleConnections makes http.Client's method of that name work.
func (t *originTransport) CloseIdleConnections() {
	for _, rt := range []http.RoundTripper{t.own, t.other} {
		if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

// downTime is how long an endpoint that could not be reached, after all tries, comes after the others.
const downTime = time.Minute

// failed notes that an endpoint could not serve, if that was its own fault and not for want of what it was asked for.
func (h *host) failed(err error) {
	if errors.Is(err, ErrUnavailable) {
		h.downUntil.Store(time.Now().Add(downTime).UnixNano())
	}
}

// down reports whether an endpoint has failed a short while ago.
func (h *host) down() bool { return time.Now().UnixNano() < h.downUntil.Load() }
