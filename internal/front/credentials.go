package front

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"
	"time"

	"drayage/internal/durable"
	"drayage/internal/htpasswd"
	"drayage/internal/limits"
	"drayage/internal/pullers"
	"drayage/internal/selfsigned"
)

// TLS says which certificate is shown. The zero value is none: the server speaks http.
type TLS struct {
	Cert, Key  string // files in PEM
	SelfSigned bool   // make a certificate, and keep it in Dir
	Dir        string
	Names      []string // DNS names and addresses for it, besides those of this machine
}

func (t *TLS) on() bool { return t.Cert != "" || t.SelfSigned }

// credentials are what files say of the server's certificate and its users. They are read again on request.
type credentials struct {
	certificate atomic.Pointer[tls.Certificate]
	selfSigned  atomic.Pointer[selfsigned.Certificate] // nil: the certificate is from elsewhere
	users       atomic.Pointer[htpasswd.Users]         // nil: everybody may ask
}

// readCredentials reads all files. What it cannot read stays as it is.
func (f *Front) readCredentials() error {
	return errors.Join(f.readCertificate(), f.readUsers())
}

func (f *Front) readUsers() error {
	if f.opts.Htpasswd == "" {
		return nil
	}
	raw, err := readLinked(f.opts.Htpasswd, limits.Htpasswd)
	if err != nil {
		return err
	}
	users, err := htpasswd.Parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", f.opts.Htpasswd, err)
	}
	f.users.Store(users)
	return nil
}

func (f *Front) readCertificate() error {
	t := &f.opts.TLS
	if t.SelfSigned {
		host, _, _ := net.SplitHostPort(f.opts.Addr)
		c, err := selfsigned.Keep(t.Dir, selfsigned.Names(t.Names, host), time.Now())
		if err != nil {
			return err
		}
		f.selfSigned.Store(c)
		f.certificate.Store(&c.TLS)
		return nil
	}
	if t.Cert == "" {
		return nil
	}
	pair, err := readPair(t.Cert, t.Key)
	if err != nil {
		return fmt.Errorf("the certificate %s with the key %s: %w", t.Cert, t.Key, err)
	}
	f.certificate.Store(&pair)
	if left := time.Until(pair.Leaf.NotAfter); left < soon {
		f.warn("the certificate %s is valid until %s", t.Cert, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// readLinked reads a regular file of at most so many bytes. Links may lead to it: certbot keeps certificates
// so, and Kubernetes what is in a Secret.
func readLinked(path string, most int64) ([]byte, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	return durable.ReadRegular(real, most)
}

// readPair reads a certificate and its key, from files of bounded size that are no pipes.
func readPair(certFile, keyFile string) (pair tls.Certificate, err error) {
	cert, err := readLinked(certFile, limits.Certificates)
	if err != nil {
		return pair, err
	}
	key, err := readLinked(keyFile, limits.Certificates)
	if err != nil {
		return pair, err
	}
	pair, err = tls.X509KeyPair(cert, key)
	if err != nil && bytes.Contains(key, []byte("ENCRYPTED")) {
		err = errors.New("the key has a passphrase, and a server has nobody to ask: " +
			"openssl pkey -in FILE -out NEW makes one without")
	}
	return pair, err
}

// soon is how long before the end of a certificate people are warned.
const soon = 14 * 24 * time.Hour

// SelfSigned is the certificate that was made here, or nil.
func (f *Front) SelfSigned() *selfsigned.Certificate { return f.selfSigned.Load() }

// How says how clients reach the registry.
func (f *Front) How() pullers.How {
	switch {
	case f.opts.TLS.SelfSigned:
		return pullers.SelfSigned
	case f.opts.TLS.on():
		return pullers.Trusted
	}
	return pullers.Plain
}

// WantsLogin reports whether clients have to log in.
func (f *Front) WantsLogin() bool { return f.opts.Htpasswd != "" }

func (f *Front) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return f.certificate.Load(), nil
		},
	}
}

// Reload reads certificate and users again, and opens the access log anew. What cannot be read stays as it
// was, and the error says so.
func (f *Front) Reload() error { return errors.Join(f.readCredentials(), f.log.reopen()) }
