package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"drayage/internal/fakeregistry"
)

// A private registry is behind TLS of a CA that is known for it alone, and so are its token server and its
// storage.
func TestPrivateCAElsewhere(t *testing.T) {
	for _, known := range []bool{true, false} {
		inBubble(t, func(w *world) {
			storage := fakeregistry.New()
			w.serveTLS("registry.test:443", w.reg)
			w.serveTLS("storage.test:443", storage)
			w.login(Credential{Username: "me", Password: "secret"})
			tokens := &fakeregistry.Tokens{Users: map[string]string{"me": "secret"}}
			w.serveTLS("auth.test:443", tokens)
			w.reg.RequireToken(tokens, "https://auth.test/token")
			d := storage.PutBlob("app", []byte("content"))
			authorized := func(req *http.Request) bool { return req.Header.Get("Authorization") != "" }
			w.reg.On(fakeregistry.Match{Method: "GET", Path: "/blobs/", Func: authorized},
				fakeregistry.Redirect(307, "https://storage.test"))

			pool := x509.NewCertPool()
			pool.AddCert(w.cert.Leaf)
			private := w.transport(&tls.Config{RootCAs: pool})
			w.client.Transport, w.client.PlainHTTP = w.transport(&tls.Config{RootCAs: x509.NewCertPool()}), false
			w.client.Endpoints = func(Reference) ([]Endpoint, error) {
				e := Endpoint{URL: url.URL{Scheme: "https", Host: "registry.test", Path: "/v2/"}, Tags: true,
					Digests: true, Push: true, Transport: private}
				if known {
					e.Elsewhere = private
				}
				return []Endpoint{e}, nil
			}
			_, err := w.fetchBlob(d)
			if known && err != nil || !known && (err == nil || !strings.Contains(err.Error(), "talk to auth.test")) {
				w.Errorf("CA known elsewhere %t: %v", known, err)
			}
		})
	}
}

// transport is one to the world's network.
func (w *world) transport(config *tls.Config) *http.Transport {
	t := NewTransport(config)
	t.Proxy, t.DialContext = nil, w.net.DialContext
	return t
}

// A server that wants a client certificate says so once.
func TestClientCertificateWanted(t *testing.T) {
	inBubble(t, func(w *world) {
		server := &http.Server{Handler: w.reg, ErrorLog: discardLog(),
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{w.cert}, ClientAuth: tls.RequireAnyClientCert}}
		w.servers = append(w.servers, server)
		go server.ServeTLS(w.net.Listen("registry.test:443"), "", "")
		w.client.PlainHTTP = false
		// The server's alert may come only after writing to it has failed: then the next try brings it.
		err := w.resolve("app")
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "client certificate") {
			w.Errorf("%v", err)
		}
	})
}
