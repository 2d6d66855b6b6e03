// Package front is what stands before a registry that is served: where it listens, who may ask it, what is
// told of it, and how it ends. [Listen] takes the address, and [Front.Serve] answers there until its context
// ends.
package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
)

// Options say how a registry is served. Addr is needed, the others may be zero.
type Options struct {
	Addr      string        // HOST:PORT; port 0 is a free one
	TLS       TLS           // or http
	PlainHTTP bool          // http, also where other machines can listen
	Grace     time.Duration // for requests that run when the server is to stop

	Htpasswd  string    // the file of users; empty: everybody may ask
	AccessLog string    // the file for a line about each request, - for Stdout; empty: none
	Stdout    io.Writer // for AccessLog
	Metrics   string    // HOST:PORT for metrics; empty: none
	Version   string    // of the program, for metrics

	// Note is told what people may want to know. Warn is told what they have to. Both may be called
	// concurrently; nil: nobody is told.
	Note, Warn func(text string)
}

// Site is what is served.
type Site struct {
	Registry http.Handler // gets every path under /v2
	Pages    http.Handler // gets the others; nil: there are none
	// Count tells how many repositories and tags there are, for metrics. It may be nil.
	Count func() (repositories, tags int)
}

// Front is an address at which a registry is going to be served. It has to be closed.
type Front struct {
	opts     Options
	listener net.Listener
	metrics  net.Listener // nil: there are none

	credentials // certificate and users
	log         *accessLog
	said        said
	telemetry
	turns   chan struct{} // of requests that may run at once
	waiting atomic.Int64  // requests, for their turn
	running sync.WaitGroup
}

// ErrExposed is wrapped by the error about an address that other machines reach, without a word on how they
// should.
var ErrExposed = errors.New("other machines reach it")

// Listen reads the files that the options name and takes the addresses, so that an error about them comes
// before anything else is done. Whoever connects waits until Serve is called.
func Listen(ctx context.Context, o Options) (*Front, error) {
	f := &Front{opts: o, turns: make(chan struct{}, maxRequests)}
	f.telemetry.init(f)
	if err := f.open(ctx); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *Front) open(ctx context.Context) (err error) {
	o := &f.opts
	if f.listener, err = listen(ctx, o.Addr); err != nil {
		return err
	}
	if !isLoopback(f.listener.Addr()) && !o.PlainHTTP && !o.TLS.on() {
		return fmt.Errorf("%s: %w", o.Addr, ErrExposed)
	}
	if err := f.readCredentials(); err != nil {
		return err
	}
	if f.log, err = openLog(o.AccessLog, o.Stdout); err != nil {
		return err
	}
	if o.Metrics != "" {
		if f.metrics, err = listen(ctx, o.Metrics); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	f.warnOfReaders()
	return nil
}

// warnOfReaders tells what strangers can see.
func (f *Front) warnOfReaders() {
	if f.opts.Htpasswd != "" && !f.opts.TLS.on() && !isLoopback(f.listener.Addr()) {
		f.warn("passwords go over the network without TLS: who listens there can read them")
	}
	if f.metrics != nil && !isLoopback(f.metrics.Addr()) {
		f.warn("other machines reach %s without a password", f.MetricsURL())
	}
}

func (f *Front) note(format string, args ...any) {
	if f.opts.Note != nil {
		f.opts.Note(fmt.Sprintf(format, args...))
	}
}

func (f *Front) warn(format string, args ...any) {
	if f.opts.Warn != nil {
		f.opts.Warn(fmt.Sprintf(format, args...))
	}
}

// Addr is the address with its real port.
func (f *Front) Addr() string { return f.listener.Addr().String() }

// URL is where the registry is for clients, on other machines too if they reach it.
func (f *Front) URL() string {
	if f.opts.TLS.on() {
		return "https://" + f.Host()
	}
	return "http://" + f.Host()
}

// MetricsURL is where the metrics are, or empty.
func (f *Front) MetricsURL() string {
	if f.metrics == nil {
		return ""
	}
	return "http://" + f.reached(f.metrics.Addr()) + "/metrics"
}

// Close gives the addresses free. It is needed if Serve was not called, and harmless behind it.
func (f *Front) Close() error {
	var errs []error
	for _, l := range []net.Listener{f.listener, f.metrics} {
		if l == nil {
			continue
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, f.log.Close())...)
}

// Serve answers requests until ctx ends. Then it takes no more, waits for those that run, and cuts them when
// the grace is over. It returns nil if it ended so.
func (f *Front) Serve(ctx context.Context, site Site) error {
	defer f.Close()
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	f.count.Store(&site.Count)
	registry, scraped := f.server(requests, f.handler(ctx, site)), f.server(requests, f.metricsHandler())
	servers := []*http.Server{registry}
	failed := make(chan error, 2)
	go func() { failed <- f.serve(registry) }()
	if f.metrics != nil {
		servers = append(servers, scraped)
		go func() { failed <- scraped.Serve(netutil.LimitListener(f.metrics, maxScrapes)) }()
	}
	var err error
	left := len(servers)
	select {
	case err = <-failed:
		err = fmt.Errorf("serve %s: %w", f.opts.Addr, err)
		left--
	case <-ctx.Done():
	}
	f.stop(requests, servers)
	for range left {
		<-failed
	}
	cut()
	f.running.Wait()
	return err
}

// serve is Serve of the registry's own server.
func (f *Front) serve(server *http.Server) error {
	server.ConnState = f.connection
	l := netutil.LimitListener(f.listener, maxConnections)
	if f.opts.TLS.on() {
		server.TLSConfig = f.tlsConfig()
		return server.ServeTLS(l, "", "")
	}
	return server.Serve(l)
}

// stop ends the servers in two steps. Metrics are told until the others have ended.
func (f *Front) stop(requests context.Context, servers []*http.Server) {
	ctx, cancel := context.WithTimeout(requests, f.opts.Grace)
	defer cancel()
	for _, s := range servers {
		if s.Shutdown(ctx) == nil {
			continue
		}
		if n := f.inFlight.Load(); n > 0 {
			f.warn("requests that still ran %s after the signal to stop were cut: %d", f.opts.Grace, n)
		}
		s.Close()
	}
}
