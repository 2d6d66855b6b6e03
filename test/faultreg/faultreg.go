// Package faultreg puts a layer of faults and a ledger before any registry, over http or over TLS that offers
// HTTP/2. Call [Start] with the handlers of registry3 or with a fakeregistry, break requests with
// [Server.On], and read afterwards what was sent from the ledger.
package faultreg

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"drayage/internal/fakeregistry"
)

// Server is a registry behind faults. Rules may be added while it serves.
type Server struct {
	fakeregistry.Rules
	fakeregistry.Ledger // what clients have asked for and what has been sent to them, faults and all

	http *httptest.Server
	once sync.Once
}

// Start serves inner on a free port of 127.0.0.1. With TLS it offers HTTP/2 and HTTP/1.1; the certificate is
// for 127.0.0.1. The caller closes the server.
func Start(inner http.Handler, tls bool) *Server {
	s := &Server{}
	s.http = httptest.NewUnstartedServer(s.Record(s.Wrap(inner)))
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that try http first, and our own faults
	if tls {
		s.http.EnableHTTP2 = true
		s.http.StartTLS()
	} else {
		s.http.Start()
	}
	return s
}

// Close drops all connections and returns when no request is served any more.
func (s *Server) Close() {
	s.once.Do(func() {
		s.http.CloseClientConnections()
		s.http.Close()
	})
}

// URL is the address with its scheme.
func (s *Server) URL() string { return s.http.URL }

// Addr is the "127.0.0.1:port" that image references name.
func (s *Server) Addr() string { return s.URL()[strings.Index(s.URL(), "//")+2:] }

// Certificate is what clients have to trust, in PEM; empty without TLS.
func (s *Server) Certificate() []byte {
	if s.http.TLS == nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
}

// Client returns a client that trusts the server and takes HTTP/2 where it is offered. Its idle connections
// end with the server.
func (s *Server) Client() *http.Client { return s.http.Client() }

// Protocols counts the requests by version of HTTP.
func (s *Server) Protocols() map[string]int {
	counts := map[string]int{}
	for _, e := range s.Requests("", "") {
		counts[e.Proto]++
	}
	return counts
}
