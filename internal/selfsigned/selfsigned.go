// Package selfsigned makes the certificate of a server that has none from elsewhere, and keeps it: engines
// have to be told to trust it, and that should happen once. [Keep] is the only way in.
package selfsigned

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"drayage/internal/durable"
)

// How long a certificate is valid, and how long before its end it is made anew. Go, and engines with it,
// take longer ones; what Apple makes takes 825 days.
const (
	validity = 825 * 24 * time.Hour
	renewal  = 30 * 24 * time.Hour
)

// maxNames is how many names a certificate keeps. A machine with more interfaces has odd ones.
const maxNames = 100

// maxFile bounds the file that is read, in bytes. Its content is some kilobytes.
const maxFile = 64 << 10

// The files in the folder.
const (
	pairFile = "server.pem" // the key and the certificate
	certFile = "ca.crt"     // the certificate alone, as engines want it called
)

// Certificate is a certificate that has signed itself.
type Certificate struct {
	TLS   tls.Certificate
	PEM   []byte // without the key
	Path  string // of the file with that
	Names []string
	Until time.Time
	Made  bool   // just now
	Why   string // it was made although there was one, or nothing
}

// Keep returns the certificate in dir. It makes one, and dir too, if there is none for all the names, or if
// that ends soon. Names are DNS names and IP addresses.
func Keep(dir string, names []string, now time.Time) (*Certificate, error) {
	old, why, err := read(dir, names, now)
	if err != nil || why == "" && old != nil {
		return old, err
	}
	if old != nil {
		names = append(slices.Clone(names), old.Names...) // an address may come back
	}
	c, pair, err := generate(distinct(names), now)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	c.Made, c.Why, c.Path = true, why, filepath.Join(dir, certFile)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return c, c.write(dir, pair)
}

// read returns the certificate in dir, if there is one, and why it does not do.
func read(dir string, names []string, now time.Time) (c *Certificate, why string, err error) {
	path := filepath.Join(dir, pairFile)
	raw, err := durable.ReadRegular(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	pair, err := tls.X509KeyPair(raw, raw)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w (remove the file, and a new certificate is made)", path, err)
	}
	c = certificate(pair)
	c.Path = filepath.Join(dir, certFile)
	for _, n := range names {
		if pair.Leaf.VerifyHostname(n) != nil {
			return c, "the old one did not name " + n, nil
		}
	}
	if now.Add(renewal).After(c.Until) || now.Before(pair.Leaf.NotBefore) {
		return c, "the old one is valid until " + c.Until.UTC().Format(time.DateOnly), nil
	}
	kept, err := os.ReadFile(c.Path)
	if err == nil && bytes.Equal(kept, c.PEM) {
		return c, "", nil
	}
	return c, "", durable.ReplaceFile(c.Path, c.PEM)
}

func certificate(pair tls.Certificate) *Certificate {
	c := &Certificate{TLS: pair, Until: pair.Leaf.NotAfter, Names: pair.Leaf.DNSNames}
	for _, ip := range pair.Leaf.IPAddresses {
		c.Names = append(c.Names, ip.String())
	}
	c.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Leaf.Raw})
	return c
}

// generate makes a certificate. It is nobody's authority: who trusts it trusts this server alone.
func generate(names []string, now time.Time) (c *Certificate, pair []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "drayage serve", Organization: []string{names[0]}},
		NotBefore:             now.Add(-time.Hour), // the clocks of other machines are behind
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	pair = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	pair = append(pair, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	both, err := tls.X509KeyPair(pair, pair)
	if err != nil {
		return nil, nil, err
	}
	return certificate(both), pair, nil
}

// write stores the key and its certificate in one file, so that they always belong to each other.
func (c *Certificate) write(dir string, pair []byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, tmp, err := durable.OpenOwn(root, pairFile, 0o600)
	if err != nil {
		return err
	}
	if err := durable.Fill(root, f, tmp, pairFile, pair); err != nil {
		return err
	}
	return durable.ReplaceFile(c.Path, c.PEM)
}

// Fingerprint is the SHA-256 of the certificate, as openssl and browsers write it.
func (c *Certificate) Fingerprint() string {
	sum := sha256.Sum256(c.TLS.Leaf.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// distinct keeps the first of equal names, and no more than a certificate may hold.
func distinct(names []string) (all []string) {
	for _, n := range names {
		if len(all) < maxNames && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}
