package hostconfig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// secure starts a TLS server with a certificate of ca that asks for client certificates of clients, if not
// nil.
func secure(t *testing.T, ca, clients *authority) *httptest.Server {
	t.Helper()
	cert, key := ca.issue(t, "server")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		s.TLS.ClientAuth = tls.RequireAndVerifyClientCert
		s.TLS.ClientCAs = x509.NewCertPool()
		s.TLS.ClientCAs.AddCert(clients.cert)
	}
	s.Config.ErrorLog = discard
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// get asks the endpoint's API with the TLS configuration that it makes of base.
func get(t *testing.T, e Endpoint, base *tls.Config) error {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: e.TLS(base), DialContext: (&net.Dialer{}).DialContext}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	e.URL.Scheme = "https"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// TestHandshake: what the files hold is what a real server accepts.
func TestHandshake(t *testing.T) {
	m := newMaterial(t)
	private, mutual := secure(t, m.ca, nil), secure(t, m.ca, m.other)
	privateHost, mutualHost := private.Listener.Addr().String(), mutual.Listener.Addr().String()
	files, _ := tree(t, map[string]string{
		"docker/" + privateHost + "/ca.crt":     m.ca.pem,
		"docker/" + mutualHost + "/ca.crt":      m.ca.pem,
		"docker/" + mutualHost + "/client.cert": m.otherCert,
		"docker/" + mutualHost + "/client.key":  m.otherK,
	})
	insecure, _ := tree(t,
		map[string]string{"registries.conf": "[[registry]]\nlocation = '127.0.0.1'\ninsecure = true"})
	wrong, _ := tree(t, map[string]string{
		"docker/" + privateHost + "/ca.crt":     m.other.pem,
		"docker/" + mutualHost + "/ca.crt":      m.ca.pem,
		"docker/" + mutualHost + "/client.cert": m.cert,
		"docker/" + mutualHost + "/client.key":  m.key,
	})
	for _, c := range []struct {
		name, host string
		files      Files
		base       *tls.Config
		ok         bool
	}{
		{"unknown CA", privateHost, Files{}, nil, false},
		{"wrong CA", privateHost, wrong, nil, false},
		{"CA", privateHost, files, nil, true},
		{"CA besides a base", privateHost, files, &tls.Config{RootCAs: x509.NewCertPool()}, true},
		{"insecure", privateHost, insecure, nil, true},
		{"base unverified", privateHost, wrong, &tls.Config{InsecureSkipVerify: true}, true},
		{"no client certificate", mutualHost, insecure, nil, false},
		{"wrong client certificate", mutualHost, wrong, nil, false},
		{"client certificate", mutualHost, files, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := c.files.Endpoints(c.host, "a")
			if err != nil {
				t.Fatal(err)
			}
			if err := get(t, found[0], c.base); (err == nil) != c.ok {
				t.Errorf("got %v, want success to be %v", err, c.ok)
			}
		})
	}
}

// TestTLSLeavesItsBase: endpoints share a base, so what one adds must not reach the next.
func TestTLSLeavesItsBase(t *testing.T) {
	m := newMaterial(t)
	pair, err := tls.X509KeyPair([]byte(m.cert), []byte(m.key))
	if err != nil {
		t.Fatal(err)
	}
	base := &tls.Config{ServerName: "kept", RootCAs: x509.NewCertPool(),
		Certificates: make([]tls.Certificate, 0, 4)}
	first := Endpoint{CAs: []*x509.Certificate{m.ca.cert}, Certificates: []tls.Certificate{pair},
		SkipVerify: true}
	got := first.TLS(base)
	if got.ServerName != "kept" || !got.InsecureSkipVerify || len(got.Certificates) != 1 {
		t.Errorf("got %+v", got)
	}
	second := Endpoint{Certificates: []tls.Certificate{{}}}
	second.TLS(base)
	if !got.Certificates[0].Leaf.Equal(pair.Leaf) {
		t.Error("a second endpoint changed the certificates of the first")
	}
	if base.InsecureSkipVerify || len(base.Certificates) != 0 || !base.RootCAs.Equal(x509.NewCertPool()) {
		t.Errorf("the base has changed: %+v", base)
	}
	if plain := (&Endpoint{}).TLS(nil); plain == nil || plain.RootCAs != nil || plain.InsecureSkipVerify {
		t.Errorf("an endpoint without settings makes %+v", plain)
	}
}
