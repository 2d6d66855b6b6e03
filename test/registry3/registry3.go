// Package registry3 runs the CNCF distribution 3 registry inside this process, on a loopback port, so that
// tests and the demonstration meet the registry that people run. Call [Start].
package registry3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd" // Options.User
	_ "github.com/distribution/distribution/v3/registry/auth/token"    // Options.Token
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // Options.Dir
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"   // the default
	"github.com/sirupsen/logrus"

	"drayage/test/tokenserver"
)

// Options configures a registry. The zero value is an open registry that keeps everything in memory.
type Options struct {
	// storage directory, which must exist; empty keeps blobs in memory
	Dir            string
	User, Password string              // asks for these Basic credentials; no User asks for none
	Token          *tokenserver.Server // asks for bearer tokens of this server; excludes User
	// patterns of the addresses that foreign layers may have; none refuses all, as distribution does
	URLs []string
	// put in front of the registry, to count or to break requests; may be nil
	Wrap func(http.Handler) http.Handler
}

// Server is a running registry. It stops when its context ends or on [Server.Close].
type Server struct {
	addr    string
	authDir string // holds the files that the authentication reads; empty for none
	app     *handlers.App
	http    *http.Server
	stopped chan struct{}
	once    sync.Once
}

// silence turns off logrus's standard logger, which is the only one distribution offers to change from
// outside.
var silence = sync.OnceFunc(func() {
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.PanicLevel)
})

// Start runs a registry on a free port of 127.0.0.1. It is ready for requests when Start returns.
func Start(ctx context.Context, opts Options) (*Server, error) {
	silence()
	s := &Server{stopped: make(chan struct{})}
	ln, err := s.prepare(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("registry: %v", errors.Join(err, s.discard()))
	}
	var handler http.Handler = s.app
	if opts.Wrap != nil {
		handler = opts.Wrap(s.app)
	}
	s.addr = ln.Addr().String()
	s.http = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.stopped)
		s.http.Serve(ln) // always ends with an error; Close is the only reason it ends
	}()
	context.AfterFunc(ctx, s.Close)
	return s, nil
}

// Addr is the "127.0.0.1:port" that image references name.
func (s *Server) Addr() string { return s.addr }

// URL is the address with its scheme.
func (s *Server) URL() string { return "http://" + s.addr }

// Handler is what answers requests, for a second listener.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Close drops every connection and returns once the registry has stopped. Stored blobs stay where they are.
// It may be called more than once.
func (s *Server) Close() {
	s.once.Do(func() {
		s.http.Close()
		<-s.stopped
		s.discard() // what stays behind is a password hash in a private temporary directory
	})
}

func (s *Server) discard() error {
	var errs []error
	if s.app != nil {
		errs = append(errs, s.app.Shutdown())
	}
	if s.authDir != "" {
		errs = append(errs, os.RemoveAll(s.authDir))
	}
	return errors.Join(errs...)
}

func (s *Server) prepare(ctx context.Context, opts Options) (net.Listener, error) {
	config := &configuration.Configuration{Storage: configuration.Storage{
		"inmemory":    configuration.Parameters{},
		"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}},
	}}
	if opts.Dir != "" {
		delete(config.Storage, "inmemory")
		config.Storage["filesystem"] = configuration.Parameters{"rootdirectory": opts.Dir}
	}
	config.Validation.Manifests.URLs.Allow = opts.URLs
	config.HTTP.Secret = "signs upload state; a fixed one lets two servers share a directory"
	if err := s.authenticate(config, opts); err != nil {
		return nil, err
	}
	var err error
	if s.app, err = newApp(ctx, config); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", "127.0.0.1:0")
}

// newApp turns distribution's panics on a bad configuration into errors.
func newApp(ctx context.Context, config *configuration.Configuration) (app *handlers.App, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("configuration refused: %v", p)
		}
	}()
	return handlers.NewApp(ctx, config), nil
}
