package registry

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"drayage/internal/fakeregistry"
)

// on serves an image on a loopback port and returns the name of its registry.
func on(t *testing.T, newServer func(http.Handler) *httptest.Server) (*fakeregistry.Registry, string) {
	t.Helper()
	reg := fakeregistry.New()
	reg.PutImage("app", "1", oneLayer)
	server := newServer(reg)
	server.Config.ErrorLog = discardLog()
	t.Cleanup(server.Close)
	return reg, server.Listener.Addr().String()
}

func resolveAt(t *testing.T, c *Client, host string) error {
	t.Helper()
	t.Cleanup(c.Close)
	_, _, err := c.Repository(Reference{Registry: host, Repository: "app"}).Resolve(t.Context(), "1")
	return err
}

func TestSchemePlainOnLoopback(t *testing.T) {
	reg, host := on(t, httptest.NewServer)
	if err := resolveAt(t, &Client{}, host); err != nil {
		t.Error(err)
	}
	probes := 0
	for _, e := range reg.Requests("", "") {
		if e.Path == "/v2/" {
			probes++
		}
	}
	if probes != 1 {
		t.Errorf("%d probes", probes)
	}
}

// A connection that breaks at the first question is no sign of TLS.
func TestSchemePlainOnLoopbackThatBreaks(t *testing.T) {
	for name, fault := range map[string]fakeregistry.Fault{"cut": fakeregistry.Abort(0),
		"empty": fakeregistry.Cut(0)} {
		reg, host := on(t, httptest.NewServer)
		reg.On(fakeregistry.Match{Count: 1}, fault)
		if err := resolveAt(t, &Client{}, host); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSchemeTLSOnLoopback(t *testing.T) {
	_, host := on(t, httptest.NewTLSServer)
	err := resolveAt(t, &Client{}, host)
	var e *NetworkError
	if !errors.As(err, &e) || !strings.Contains(e.Hint, "--ca-file") {
		t.Errorf("with an unknown CA: %v", err)
	}
}

func TestSchemeTLSOnLoopbackTrusted(t *testing.T) {
	reg := fakeregistry.New()
	reg.PutImage("app", "1", oneLayer)
	server := httptest.NewTLSServer(reg)
	defer server.Close()
	server.Config.ErrorLog = discardLog()
	transport := NewTransport(server.Client().Transport.(*http.Transport).TLSClientConfig)
	if err := resolveAt(t, &Client{Transport: transport}, server.Listener.Addr().String()); err != nil {
		t.Error(err)
	}
}

// --plain-http and TLS do not go together, and the server's answer says so.
func TestSchemePlainForced(t *testing.T) {
	_, host := on(t, httptest.NewTLSServer)
	var e *Error
	if err := resolveAt(t, &Client{PlainHTTP: true}, host); !errors.As(err, &e) || e.Status != 400 ||
		!strings.Contains(e.Message, "HTTPS") {
		t.Error(err)
	}
}

// Where nobody listens, the error is about that and not about TLS.
func TestSchemeNobodyListens(t *testing.T) {
	inBubble(t, func(w *world) {
		w.client.PlainHTTP = false
		err := resolveAt(w.T, w.client, "localhost:5000")
		var e *NetworkError
		if !errors.As(err, &e) || !strings.Contains(e.Hint, "nothing listens") || !errors.Is(err, ErrUnavailable) ||
			strings.Contains(err.Error(), "tls") {
			w.Error(err)
		}
	})
}

// Away from this machine http is never used unasked, and a server without TLS is named as such.
func TestSchemeElsewhere(t *testing.T) {
	inBubble(t, func(w *world) {
		w.client.PlainHTTP = false
		plain := w.other("registry.test:443")
		var e *NetworkError
		began := time.Now()
		if err := w.resolve("app"); !errors.As(err, &e) || !strings.Contains(e.Hint, "--plain-http") ||
			time.Since(began) != 0 {
			w.Errorf("after %s: %v", time.Since(began), err)
		}
		if n := len(w.reg.Requests("", "")) + len(plain.Requests("", "")); n != 0 {
			w.Errorf("%d requests went out in the clear", n)
		}
	})
}

func TestSchemeTLSElsewhere(t *testing.T) {
	inBubble(t, func(w *world) {
		w.client.PlainHTTP = false
		w.reg.PutImage("app", "1", oneLayer)
		w.serveTLS("registry.test:443", w.reg)
		if err := w.resolve("app"); err != nil {
			w.Error(err)
		}
	})
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "LocalHost.": true, "a.localhost:1": true, "127.0.0.1": true,
		"127.8.9.1:80": true, "[::1]:5000": true, "::1": true,
		"0.0.0.0:5000": true, "mylocalhost": false, "localhost.example": false, "127.0.0.1.example": false,
		"10.0.0.1": false, "128.0.0.1:5000": false, "": false, "[fe80::1]": false,
	} {
		if got := isLoopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
