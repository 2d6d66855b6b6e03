package serve

import (
	"cmp"
	"net/http"
	"sync"
	"time"
)

// Registry answers for a catalog. It is an http.Handler for /v2/, and may be used concurrently.
type Registry struct {
	*prover
	observe  func(Event)
	patience time.Duration
	streams  budget // for blobs on their way to clients
	papers   budget // for manifests
	foreign  foreign

	mu  sync.Mutex
	now *edition
}

// Options are how a registry works. The zero value is good.
type Options struct {
	// Observe is told of each request when it has ended. It is called concurrently and must return soon. It may
	// be nil.
	Observe func(Event)

	// Patience is how long a client may take nothing of what is sent. Then the connection is cut. 0 leaves that
	// to the server.
	Patience time.Duration
	// Memory bounds the bytes that all answers hold at once. Half of it is for blobs on their way, with 128 KiB
	// for each answer, unless the blob has many gigabytes. Three eighths are for blobs that are verified the
	// first time, and the rest is for manifests. Further requests wait, each kind for its own. 0 means 128 MiB.
	Memory int64
}

// New returns a registry of the images in a catalog.
func New(c *Catalog, o Options) *Registry {
	if o.Observe == nil {
		o.Observe = func(Event) {}
	}
	o.Memory = cmp.Or(o.Memory, 128<<20)
	part := max(o.Memory/8, 1)
	return &Registry{prover: newProver(newBudget(3 * part)), observe: o.Observe, patience: o.Patience,
		streams: newBudget(4 * part), papers: newBudget(part), now: newEdition(c)}
}

// edition is a catalog while it is the one that is served, and until the last request that uses it has ended.
type edition struct {
	catalog *Catalog
	users   int
	old     bool
	idle    chan struct{}
}

func newEdition(c *Catalog) *edition { return &edition{catalog: c, idle: make(chan struct{})} }

// Replace puts another catalog in the place of the one that is served. Requests that have begun go on with
// the old one. When the last of them has ended, idle is closed, and nothing reads from the old shelves any
// more.
func (r *Registry) Replace(c *Catalog) (old *Catalog, idle <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.now
	r.now = newEdition(c)
	e.old = true
	if e.users == 0 {
		close(e.idle)
	}
	return e.catalog, e.idle
}

// Hold returns the catalog that is served, for who reads from it beside the requests. It is in use until
// release is called, once.
func (r *Registry) Hold() (c *Catalog, release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.now
	e.users++
	return e.catalog, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if e.users--; e.users == 0 && e.old {
			close(e.idle)
		}
	}
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	c, release := r.Hold()
	defer release()
	user, _, _ := req.BasicAuth()
	x := &exchange{registry: r, catalog: c, w: w, req: req, Event: Event{Method: req.Method, What: WhatOther,
		Start: time.Now(), Remote: req.RemoteAddr, User: user, UserAgent: req.UserAgent(), Request: req}}
	x.answer()
	x.Duration = time.Since(x.Start)
	r.observe(x.Event)
	if x.Cut {
		panic(http.ErrAbortHandler) // the client must not take what it has got for everything
	}
}
