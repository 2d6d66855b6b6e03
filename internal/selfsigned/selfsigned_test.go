package selfsigned

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func keep(t *testing.T, dir string, at time.Time, names ...string) *Certificate {
	t.Helper()
	c, err := Keep(dir, names, at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A client that trusts the certificate alone takes it for each of its names, and for no other.
func TestClientsTrust(t *testing.T) {
	c := keep(t, t.TempDir(), now, "drayage.corp", "10.0.0.7", "fd00::7")
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(c.PEM) {
		t.Fatalf("no certificate: %s", c.PEM)
	}
	for name, ok := range map[string]bool{"drayage.corp": true, "10.0.0.7": true, "fd00::7": true,
		"other.corp": false} {
		_, err := c.TLS.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool, CurrentTime: now})
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c.TLS.Leaf.IsCA {
		t.Error("it could sign for others")
	}
	if got := len(c.Fingerprint()); got != 32*3-1 {
		t.Errorf("fingerprint %s", c.Fingerprint())
	}
}

func TestKeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "tls")
	first := keep(t, dir, now, "a.corp")
	if !first.Made || first.Why != "" {
		t.Errorf("made %t, %q", first.Made, first.Why)
	}
	if again := keep(t, dir, now.Add(validity-renewal-time.Hour), "a.corp"); again.Made ||
		!bytes.Equal(again.PEM, first.PEM) {
		t.Error("it was not kept")
	}
	other := t.TempDir()
	keep(t, other, now, "*.corp")
	if keep(t, other, now, "*.corp").Made {
		t.Error("one for *.corp was not kept")
	}
	more := keep(t, dir, now, "b.corp")
	if !more.Made || more.Why != "the old one did not name b.corp" ||
		!slices.Equal(more.Names, []string{"b.corp", "a.corp"}) {
		t.Errorf("%t, %q, %q", more.Made, more.Why, more.Names)
	}
	later := keep(t, dir, now.Add(validity-renewal+time.Hour), "b.corp")
	if !later.Made || !strings.HasPrefix(later.Why, "the old one is valid until 20") {
		t.Errorf("%t, %q", later.Made, later.Why)
	}
	if kept, err := os.ReadFile(later.Path); err != nil || !bytes.Equal(kept, later.PEM) {
		t.Errorf("%s %v", kept, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for name, perm := range map[string]os.FileMode{".": 0o700, pairFile: 0o600} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Mode().Perm() != perm {
			t.Errorf("%s: %v %v", name, fi.Mode(), err)
		}
	}
}

// The copy for engines comes back, and a damaged pair is not silently replaced: engines trust the old one.
func TestFilesThatChanged(t *testing.T) {
	dir := t.TempDir()
	first := keep(t, dir, now, "a.corp")
	if err := os.Remove(first.Path); err != nil {
		t.Fatal(err)
	}
	keep(t, dir, now, "a.corp")
	if kept, err := os.ReadFile(first.Path); err != nil || !bytes.Equal(kept, first.PEM) {
		t.Errorf("%s %v", kept, err)
	}
	if err := os.WriteFile(filepath.Join(dir, pairFile), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Keep(dir, []string{"a.corp"}, now)
	if err == nil || !strings.Contains(err.Error(), "remove the file") {
		t.Errorf("%v", err)
	}
}

func TestNames(t *testing.T) {
	for host, want := range map[string]string{"10.1.2.3": "10.1.2.3", "fd00::1": "fd00::1",
		"Reg.Corp": "reg.corp", "": "localhost", "::": "127.0.0.1"} {
		if got := Names([]string{"first"}, host); !slices.Contains(got, want) || got[0] != "first" {
			t.Errorf("%q: %q", host, got)
		}
	}
	for name, ok := range map[string]bool{"a.corp": true, "*.corp": true, "10.0.0.1": true, "::1": true,
		"": false, "a b": false, "a..b": false, "http://a": false, "a:5000": false,
		strings.Repeat("a", 64): false} {
		if Valid(name) != ok {
			t.Errorf("%q: %t", name, !ok)
		}
	}
	if n := len(distinct(strings.Fields(strings.Repeat("a b ", 500)))); n != 2 {
		t.Errorf("%d names", n)
	}
}

func TestDir(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("paths of Unix")
	}
	for want, vars := range map[string]map[string]string{
		"/var/lib/d/tls":              {"STATE_DIRECTORY": "/var/lib/d:/var/lib/e", "HOME": "/root"},
		"/s/drayage/tls":              {"XDG_STATE_HOME": "/s", "HOME": "/root"},
		"/h/.local/state/drayage/tls": {"HOME": "/h", "XDG_STATE_HOME": "relative"},
		"":                            {},
	} {
		if got := Dir(func(k string) string { return vars[k] }); got != want {
			t.Errorf("%q: %q", vars, got)
		}
	}
}
