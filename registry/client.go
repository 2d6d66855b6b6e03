// Package registry reads images from registries and writes images into them. It speaks the OCI Distribution
// protocol (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md) as real registries do.
//
// Parse a name with [ParseReference] and make one [Client] for all registries. [Client.Repository] gives a
// [Repository] for reading: [Repository.Resolve] returns a manifest, and the Repository itself is an
// [image.Source] of blobs. [Repository.Pusher] gives a [Pusher] for writing: blobs first, then manifests.
//
// A manifest that is asked for by its digest is verified before Resolve returns it, and a blob is verified
// while it is pushed. What [Repository.Open] returns is not verified: read it through [image.NewReader],
// which also resumes a download that broke off. Requests are repeated where another try may help. Credentials
// go to the registry that they are for. They never follow a redirect to another host, port or scheme.
package registry

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// Client talks to any number of registries. The zero value is an anonymous client with default settings. A
// Client may be used concurrently. Its fields must not change after the first use.
type Client struct {
	// Transport sends single requests. It must not follow redirects, authenticate or decode bodies.
	// nil: NewTransport(nil).
	Transport http.RoundTripper
	// Foreign asks the addresses in the descriptor of a foreign layer that the registry does not have.
	// Strangers write those addresses: NewForeignTransport keeps requests from where they do not belong.
	// Credentials and headers of registries never go there. nil: nobody is asked, and opening such a
	// layer fails with a *ForeignError.
	Foreign http.RoundTripper
	// Credentials returns what to log in to a registry with. If repository is not empty, it is for that
	// repository. It is called only after the registry has demanded authentication. nil, or an empty
	// credential: anonymously.
	Credentials func(ctx context.Context, registry, repository string) (Credential, error)
	// Endpoints lists the ways to reach the repository of an image, in the order in which they are asked:
	// mirrors, and the registry itself. Pushes go to the first that takes them. nil: the registry itself,
	// by its name.
	Endpoints func(Reference) ([]Endpoint, error)
	// PlainHTTP makes the client speak http with all registries. Without it the client speaks http only
	// with loopback addresses that do not speak TLS.
	PlainHTTP bool
	// UserAgent is sent with every request. Empty: "drayage".
	UserAgent string
	// StallTimeout is how long a connection may stay silent before the client gives it up and tries again.
	// 0: one minute.
	StallTimeout time.Duration
	// ExtraStreams is how many streams may read ranges of large blobs from one registry at once, besides
	// the first stream of each blob. 0: 32; negative: none.
	ExtraStreams int
	// Observe is told what happens meanwhile: retries, waits, endpoints that are given up, requests. It may be
	// called concurrently and must return at once. nil: nobody is told.
	Observe func(Event)

	received, sent atomic.Int64 // bytes of blobs

	mu     sync.Mutex
	hosts  map[string]*host
	told   map[string]bool     // what Observe has been told once
	chunks *semaphore.Weighted // bytes of chunks that are held
}

// Endpoint is one way to reach a registry: the registry itself, or a mirror of it.
type Endpoint struct {
	// URL is the root of the API, for most registries https://host/v2/. An empty scheme means https, or what
	// Client.PlainHTTP and the rule for loopback addresses make of it.
	URL url.URL
	// Registry is the name that its credentials are kept under. Empty: that of the registry, or for a
	// mirror its host.
	Registry string
	// FallbackHTTP allows http, if the scheme is empty and nothing at the address speaks TLS.
	FallbackHTTP bool
	// Transport sends the requests to this origin, and no others: it may have a CA and a client
	// certificate. nil: Client.Transport.
	Transport http.RoundTripper
	// Elsewhere sends the requests to other origins that this one redirects to, and to its token server.
	// nil: Client.Transport.
	Elsewhere http.RoundTripper

	Header     http.Header // sent to this origin only
	Repository string      // what the repository is called there; empty: the same
	Namespace  string      // the query parameter ns of reads; a mirror of several registries needs it

	Mirror              bool // another host than the registry: it gets only credentials of its own
	Tags, Digests, Push bool // what it is asked for
}

// DefaultEndpoint is where a registry is found by its name alone, for reading and pushing.
func DefaultEndpoint(registry string) Endpoint {
	host := registry
	if registry == "docker.io" || registry == "index.docker.io" {
		host = "registry-1.docker.io"
	}
	return Endpoint{URL: url.URL{Host: host, Path: "/v2/"}, Tags: true, Digests: true, Push: true}
}

// Repository returns the repository that ref names. It makes no requests. If Client.Endpoints returns an
// error, the methods of the Repository return that error.
func (c *Client) Repository(ref Reference) *Repository {
	r := &Repository{}
	endpoints, err := []Endpoint{DefaultEndpoint(ref.Registry)}, error(nil)
	if c.Endpoints != nil {
		endpoints, err = c.Endpoints(ref)
	}
	for _, e := range endpoints {
		there := c.at(ref, e)
		r.readers = append(r.readers, there)
		if e.Push && r.own == nil {
			r.own = there
		}
	}
	if r.own == nil {
		r.own = c.at(ref, DefaultEndpoint(ref.Registry))
		r.own.tags, r.own.digests = false, false
		r.own.noRead = fmt.Errorf("no endpoint of %s is configured for reading", ref.Registry)
		r.own.noPush = fmt.Errorf("no endpoint of %s is configured for pushing", ref.Registry)
	}
	if err != nil {
		r.readers, r.own.noRead, r.own.noPush = nil, err, err
	}
	r.asked = r.own
	answers := func(p *place) bool { return p.tags && p.digests }
	if i := slices.IndexFunc(r.readers, answers); i >= 0 && !answers(r.own) {
		r.asked = r.readers[i]
	}
	return r
}

// at is a repository as one endpoint has it. Credentials are those of the registry, or of the mirror.
func (c *Client) at(ref Reference, e Endpoint) *place {
	name := cmp.Or(e.Registry, ref.Registry)
	if e.Mirror {
		name = cmp.Or(e.Registry, e.URL.Host)
	}
	return &place{
		host: c.host(name, e), registry: ref.Registry, name: ref.Repository,
		path: cmp.Or(e.Repository, ref.Repository), namespace: e.Namespace, tags: e.Tags, digests: e.Digests,
	}
}

// host returns what the client knows of an endpoint. Credentials are looked up under name.
func (c *Client) host(name string, e Endpoint) *host {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := name + " " + e.URL.String()
	if h := c.hosts[key]; h != nil {
		return h
	}
	if c.hosts == nil {
		c.hosts, c.told, c.chunks = map[string]*host{}, map[string]bool{}, semaphore.NewWeighted(chunkBudget)
	}
	if c.Transport == nil {
		c.Transport = NewTransport(nil)
	}
	if e.Elsewhere == nil {
		e.Elsewhere = c.Transport
	}
	h := c.newHost(name, &originTransport{at: e.URL, own: e.Transport, other: e.Elsewhere})
	h.at, h.fallbackHTTP, h.header = e.URL, e.FallbackHTTP, e.Header
	h.extraStreams = make(chan struct{}, max(cmp.Or(c.ExtraStreams, 32), 0))
	c.hosts[key] = h
	return h
}

// Close drops idle connections. The client can be used afterwards.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.hosts {
		if t, ok := h.transport.(interface{ CloseIdleConnections() }); ok {
			t.CloseIdleConnections()
		}
	}
}
