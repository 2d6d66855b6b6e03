package front_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drayage/internal/front"
	"drayage/internal/selfsigned"
)

// told collects what people are told.
type told struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *told) say(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.WriteString(text + "\n")
}

func (o *told) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// client trusts certificates in PEM.
func client(t *testing.T, pem []byte) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestSelfSigned(t *testing.T) {
	var o told
	opts := front.Options{TLS: front.TLS{SelfSigned: true, Dir: t.TempDir()}, Note: o.say}
	f, _ := start(t, opts, http.HandlerFunc(hello))
	if !strings.HasPrefix(f.URL(), "https://127.0.0.1:") || f.SelfSigned() == nil || !f.SelfSigned().Made {
		t.Fatalf("%s: %+v", f.URL(), f.SelfSigned())
	}
	resp, err := client(t, f.SelfSigned().PEM).Get(f.URL() + "/v2/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.TLS.Version < tls.VersionTLS12 {
		t.Errorf("%s, TLS %x", resp.Proto, resp.TLS.Version)
	}
	if pem := get(t, client(t, f.SelfSigned().PEM), f.URL()+"/ca.crt"); pem != string(f.SelfSigned().PEM) {
		t.Errorf("%q", pem)
	}
	for range 3 { // who does not trust it is named once
		if _, err := client(t, nil).Get(f.URL() + "/v2/"); err == nil {
			t.Error("a stranger trusts the certificate")
		}
	}
	waitFor(t, func() bool { return strings.Contains(o.String(), "127.0.0.1 does not trust the certificate") })
	if n := strings.Count(o.String(), "does not trust"); n != 1 {
		t.Errorf("told %d times:\n%s", n, o.String())
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if c, err := tls.Dial("tcp", f.Addr(), old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

// waitFor waits until something has come true that nobody signals.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come true")
		}
	}
}

// A certificate in files is read again on request, and stays what it is if the files make no sense.
func TestCertificateInFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put := func(name string) []byte {
		made := filepath.Join(dir, name)
		c, err := selfsigned.Keep(made, []string{name, "127.0.0.1"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		pair, err := os.ReadFile(filepath.Join(made, "server.pem"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{cert, key} {
			if err := os.WriteFile(file, pair, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return c.PEM
	}
	first := put("a")
	f, _ := start(t, front.Options{TLS: front.TLS{Cert: cert, Key: key}}, http.HandlerFunc(hello))
	get(t, client(t, first), f.URL()+"/v2/")
	if err := os.WriteFile(key, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(); err == nil || !strings.Contains(err.Error(), key) {
		t.Errorf("%v", err)
	}
	get(t, client(t, first), f.URL()+"/v2/")
	second := put("b")
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	get(t, client(t, second), f.URL()+"/v2/")
	if _, err := client(t, first).Get(f.URL() + "/v2/"); err == nil {
		t.Error("the old certificate is still shown")
	}
}

func TestFilesThatMakeNoSense(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte("bob:{SHA}x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(dir, "locked")
	if err := os.WriteFile(locked, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"+
		"-----END ENCRYPTED PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	made, err := selfsigned.Keep(filepath.Join(dir, "made"), []string{"a"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, _ := start(t, front.Options{}, http.HandlerFunc(hello))
	for says, o := range map[string]front.Options{
		"failed to find any PEM": {TLS: front.TLS{Cert: garbage, Key: garbage}},
		"no such file":           {TLS: front.TLS{Cert: filepath.Join(dir, "no"), Key: garbage}},
		"has a passphrase":       {TLS: front.TLS{Cert: made.Path, Key: locked}},
		"bytes":                  {TLS: front.TLS{Cert: large, Key: locked}},
		"no regular file":        {TLS: front.TLS{Cert: dir, Key: locked}},
		"SHA-1":                  {Htpasswd: garbage},
		"is a directory":         {AccessLog: dir},
		"metrics: listen on":     {Metrics: taken.Addr()},
	} {
		o.Addr = "127.0.0.1:0"
		f, err := front.Listen(t.Context(), o)
		if err == nil {
			f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// Kubernetes and certbot give files as links, and put others in their place by another link.
func TestFilesBehindLinks(t *testing.T) {
	dir := t.TempDir()
	made, err := selfsigned.Keep(filepath.Join(dir, "first"), []string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	users := "bob:$2y$04$" + strings.Repeat("a", 53) + "\n"
	if err := os.WriteFile(filepath.Join(dir, "first", "users"), []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("first", filepath.Join(dir, "..data")); err != nil {
		t.Skip("no links here")
	}
	link := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.Symlink(filepath.Join("..data", name), path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pair := link("server.pem")
	f, _ := start(t, front.Options{TLS: front.TLS{Cert: pair, Key: pair}, Htpasswd: link("users")},
		http.HandlerFunc(hello))
	resp, err := client(t, made.PEM).Get(f.URL() + "/v2/")
	if err == nil {
		resp.Body.Close()
	}
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Error(resp, err)
	}
}
