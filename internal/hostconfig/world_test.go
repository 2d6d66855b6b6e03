package hostconfig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tree writes files, by their paths below a new directory, and returns Files that look there only:
// containerd/, docker/, registries.conf and registries.conf.d/.
func tree(t *testing.T, content map[string]string) (Files, string) {
	t.Helper()
	root := t.TempDir()
	for name, text := range content {
		writeFile(t, filepath.Join(root, filepath.FromSlash(name)), text)
	}
	return Files{
		ContainerdCerts: []string{filepath.Join(root, "containerd")},
		DockerCerts:     []string{filepath.Join(root, "docker")},
		RegistriesConf: []RegistriesConf{{
			File: filepath.Join(root, "registries.conf"),
			Dirs: []string{filepath.Join(root, "registries.conf.d")},
		}},
	}, root
}

// discard is for servers that would log handshakes which are meant to fail.
var discard = log.New(io.Discard, "", 0)

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// show writes an endpoint as one line; what is as usual is left out.
func show(e Endpoint) string {
	words := []string{e.URL.String(), e.Repository}
	add := func(yes bool, word string) {
		if yes {
			words = append(words, word)
		}
	}
	add(e.Digests, "pull")
	add(e.Tags, "resolve")
	add(e.Push, "push")
	add(e.TagOnly, "tag-only")
	add(e.Mirror, "mirror="+e.Registry)
	add(e.Namespace != "", "ns="+e.Namespace)
	add(e.SkipVerify, "unverified")
	add(e.FallbackHTTP, "or-http")
	add(e.Proxy != nil, "proxy="+fmt.Sprint(e.Proxy))
	add(e.DialTimeout != 0, "dial="+e.DialTimeout.String())
	add(len(e.CAs) > 0, fmt.Sprintf("cas=%d", len(e.CAs)))
	add(len(e.Certificates) > 0, fmt.Sprintf("certificates=%d", len(e.Certificates)))
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		words = append(words, name+"="+strings.Join(e.Header[name], ","))
	}
	return strings.Join(words, " ")
}

func showAll(all []Endpoint) string {
	var lines []string
	for _, e := range all {
		lines = append(lines, show(e))
	}
	return strings.Join(lines, "\n")
}

// endpoints are what files say of host/path, a line each.
func endpoints(t *testing.T, files Files, name string) string {
	t.Helper()
	registry, repository, _ := strings.Cut(name, "/")
	all, err := files.Endpoints(registry, repository)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return showAll(all)
}

func lines(all ...string) string { return strings.Join(all, "\n") }

// wantError checks that an error says each of words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}

// authority is a CA made for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	a.pem = pemOf("CERTIFICATE", raw)
	return a
}

// issue makes a certificate for this machine, as server or client, and its key.
func (a *authority) issue(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	rawKey, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("CERTIFICATE", raw), pemOf("PRIVATE KEY", rawKey)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemOf(kind string, raw []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}))
}

// names are the common names of certificates that an endpoint trusts.
func names(e Endpoint) []string {
	var all []string
	for _, ca := range e.CAs {
		all = append(all, ca.Subject.CommonName)
	}
	slices.Sort(all)
	return all
}
