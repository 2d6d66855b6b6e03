package registry

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Endpoint is one way to reach a registry: the registry itself, or a mirror of it.
type Endpoint struct {
	// URL is scheme, host and the path, if any, below which /v2/ lies. An empty scheme means https, or what
	// Client.PlainHTTP and the rule for loopback addresses make of it.
	URL url.URL

	Transport  http.RoundTripper // used with this endpoint only, for its CA and client certificate; nil: Client.Transport
	Header     http.Header       // sent to this endpoint only
	Repository string            // what the repository is called there; empty: the same

	Mirror            bool // only asked when reading, and with credentials of its own
	NoTags, NoDigests bool // what a mirror is not asked for
}

// ownEndpoint is where a registry is found by its name alone.
func ownEndpoint(registry string) Endpoint {
	return Endpoint{URL: url.URL{Host: apiHost(registry)}}
}

// Repository returns the repository that ref names; its tag and digest do not matter. Errors of
// Client.Endpoints come out of its methods.
func (c *Client) Repository(ref Reference) *Repository {
	endpoints := []Endpoint{ownEndpoint(ref.Registry)}
	r := &Repository{registry: ref.Registry, name: ref.Repository, path: ref.Repository}
	if c.Endpoints != nil {
		if endpoints, r.err = c.Endpoints(ref.Registry, ref.Repository); r.err != nil {
			endpoints = []Endpoint{ownEndpoint(ref.Registry)}
		}
	}
	for _, e := range endpoints {
		path := e.Repository
		if path == "" {
			path = ref.Repository
		}
		if !e.Mirror {
			r.host, r.path = c.host(ref.Registry, e), path
			continue
		}
		there := &Repository{registry: e.URL.Host, name: path, path: path, host: c.host(e.URL.Host, e)}
		r.mirrors = append(r.mirrors, mirror{Repository: there, tags: !e.NoTags, digests: !e.NoDigests})
	}
	if r.host == nil {
		r.host = c.host(ref.Registry, ownEndpoint(ref.Registry))
	}
	return r
}

// host returns what the client knows of an endpoint, under whose name its credentials are looked up.
func (c *Client) host(name string, e Endpoint) *host {
	fallback := c.transport()
	c.mu.Lock()
	defer c.mu.Unlock()
	key := name + " " + e.URL.String()
	if h := c.hosts[key]; h != nil {
		return h
	}
	if c.hosts == nil {
		c.hosts = map[string]*host{}
	}
	h := &host{client: c, name: name, at: e.URL, header: e.Header}
	h.http = &http.Client{Transport: &originTransport{host: h, own: e.Transport, other: fallback}, CheckRedirect: checkRedirect}
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

// mirror is another place to read a repository from.
type mirror struct {
	*Repository
	tags, digests bool
}

// reading does f with each mirror that may be asked and, if none of them can serve it, with the registry itself.
func (r *Repository) reading(ctx context.Context, byTag bool, f func(*Repository) error) error {
	if r.err != nil {
		return r.err
	}
	for _, m := range r.mirrors {
		if byTag && !m.tags || !byTag && !m.digests {
			continue
		}
		err := f(m.Repository)
		if err == nil || ctx.Err() != nil {
			return err
		}
		r.host.client.notify("mirror " + m.host.at.Host + " cannot serve " + r.Name() + ": " + err.Error())
	}
	return f(r)
}

// forgetful removes from a redirected request what was meant for the first server only: everything but what
// describes the content that is wanted.
func forgetful(h http.Header) {
	keep := []string{"Accept", "Accept-Encoding", "Range", "User-Agent"}
	for name := range h {
		if !slices.Contains(keep, name) {
			h.Del(name)
		}
	}
}
