// Package tokenserver is a small Docker token server for tests: it turns Basic credentials into signed bearer
// tokens as https://distribution.github.io/distribution/spec/auth/token/ describes. Call [Start] and give the
// [Server] to registry3.Options.Token, which makes the registry trust it.
package tokenserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	issuer  = "drayage-test-issuer"
	service = "drayage-test-registry"
	keyID   = "drayage-test-key"

	// registryLeeway is how long distribution accepts a token beyond its expiry. Tokens are dated back by it, so
	// that Options.Lifetime is what the registry really enforces.
	registryLeeway = 60 * time.Second

	defaultLifetime = 5 * time.Minute
)

// Options says who may have a token and for how long. The zero value knows no user and gives nobody a token.
type Options struct {
	User, Password string // the one account; it may do everything; no User means no account
	AnonymousPull  bool   // a request without credentials gets a token for pulling
	// how long the registry accepts a token, rounded up to a second; 0 is five minutes, below 0 is never
	Lifetime  time.Duration
	ExpiresIn time.Duration // what the client is told; 0 says nothing, which clients must read as 60 s
}

// Server issues tokens on a loopback port until its context ends or [Server.Close] is called. It is safe for
// concurrent use.
type Server struct {
	opts    Options
	addr    string
	jwks    []byte
	signer  jose.Signer
	issued  atomic.Int64
	refused atomic.Int64

	http    *http.Server
	stopped chan struct{}
	once    sync.Once
}

// Start listens on a free loopback port. The signing key is made for this server alone and lives only in
// memory.
func Start(ctx context.Context, opts Options) (*Server, error) {
	signer, jwks, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("token server: make key: %v", err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("token server: %v", err)
	}
	s := &Server{opts: opts, addr: ln.Addr().String(), jwks: jwks, signer: signer, stopped: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /token", s.serveToken)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.stopped)
		s.http.Serve(ln) // always ends with an error; Close is the only reason it ends
	}()
	context.AfterFunc(ctx, s.Close)
	return s, nil
}

func newKey() (jose.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	private := jose.JSONWebKey{Key: key, KeyID: keyID, Algorithm: string(jose.ES256), Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, nil)
	if err != nil {
		return nil, nil, err
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}})
	return signer, jwks, err
}

// Realm is the URL that a registry names in its challenge.
func (s *Server) Realm() string { return "http://" + s.addr + "/token" }

// Service is the audience of every token.
func (s *Server) Service() string { return service }

// Issuer is who the tokens say they come from.
func (s *Server) Issuer() string { return issuer }

// JWKS is the public key set, as JSON, against which tokens are checked.
func (s *Server) JWKS() []byte { return append([]byte(nil), s.jwks...) }

// Issued counts the tokens handed out over HTTP so far.
func (s *Server) Issued() int { return int(s.issued.Load()) }

// Refused counts the requests turned away for missing or wrong credentials so far.
func (s *Server) Refused() int { return int(s.refused.Load()) }

// Close drops every connection and returns once the server has stopped. It may be called more than once.
func (s *Server) Close() {
	s.once.Do(func() {
		s.http.Close()
		<-s.stopped
	})
}

var errCredentials = errors.New("wrong user name or password")
