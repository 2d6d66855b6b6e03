package registry

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"drayage/internal/fakeregistry"
	"drayage/internal/pipenet"
)

// world is a network without sockets on which time passes only when everybody waits. There is one registry,
// registry.test, at first spoken to over http and open to all.
type world struct {
	*testing.T
	net     pipenet.Net
	reg     *fakeregistry.Registry
	client  *Client
	cert    tls.Certificate // good for every host
	servers []*http.Server

	listeners map[string]net.Listener

	mu     sync.Mutex
	events []Event
	notes  []string // what the client has told its user
	asked  int      // how often it has asked for credentials
}

func inBubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, reg: fakeregistry.New(), listeners: map[string]net.Listener{}}
		w.cert = newCertificate(t)
		pool := x509.NewCertPool()
		pool.AddCert(w.cert.Leaf)
		w.client = &Client{Transport: w.transport(&tls.Config{RootCAs: pool}), PlainHTTP: true, Observe: w.observe}
		w.serve("registry.test:80", w.reg)
		defer w.close()
		f(w)
	})
}

func (w *world) close() {
	w.client.Close()
	time.Sleep(10 * time.Second) // a server that closes one connection while another ends would stop the clock
	for _, s := range w.servers {
		s.Close()
	}
	time.Sleep(10 * time.Second) // servers linger over a connection that they have closed, and TLS for longer
}

func (w *world) serve(address string, h http.Handler) {
	s := &http.Server{Handler: h, ErrorLog: discardLog()}
	w.servers = append(w.servers, s)
	l := w.net.Listen(address)
	w.listeners[address] = l
	go s.Serve(l)
}

func (w *world) serveTLS(address string, h http.Handler) {
	s := &http.Server{Handler: h, ErrorLog: discardLog(),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{w.cert}}}
	w.servers = append(w.servers, s)
	l := w.net.Listen(address)
	go s.ServeTLS(l, "", "")
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// other adds a registry at another address.
func (w *world) other(address string) *fakeregistry.Registry {
	r := fakeregistry.New()
	w.serve(address, r)
	return r
}

func (w *world) repo(name string) *Repository {
	return w.client.Repository(Reference{Registry: "registry.test", Repository: name})
}

// login makes the client give a credential to every registry.
func (w *world) login(c Credential) {
	w.client.Credentials = func(context.Context, string, string) (Credential, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked++
		return c, nil
	}
}

func (w *world) observe(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
	switch e.(type) {
	case *Retry, *Exchange:
	default:
		w.notes = append(w.notes, e.String())
	}
}

// told is what the client has told its user so far.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.notes...)
}

func newCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * 365 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"*.test", "*.registry.test", "localhost"},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}
}
