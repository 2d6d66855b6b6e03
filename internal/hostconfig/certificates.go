package hostconfig

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"drayage/internal/certfile"
)

// fileName is host[:port] as the name of a directory. Windows allows no colon there.
func fileName(host, goos string) string {
	if goos == "windows" {
		return strings.ReplaceAll(host, ":", "")
	}
	return host
}

// addDockerCerts gives e what certs.d holds for its host. A directory there may be called as the registry
// is in image names, or as the host.
func (f Files) addDockerCerts(e *Endpoint) error {
	if e.URL.Scheme == "http" {
		return nil
	}
	for _, root := range f.DockerCerts {
		for _, name := range []string{e.Registry, e.URL.Host} {
			if !plainHost(name) {
				continue
			}
			found, err := e.addCertDir(filepath.Join(root, fileName(name, runtime.GOOS)), false)
			if found || err != nil {
				return err
			}
		}
	}
	return nil
}

// addCertDir gives e the certificates of one directory in docker's manner: *.crt are CAs, NAME.cert and
// NAME.key are a client certificate. With combined, NAME.cert may hold both, as with containerd.
func (e *Endpoint) addCertDir(dir string, combined bool) (found bool, err error) {
	entries, err := os.ReadDir(dir)
	if absent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var names []string
	for _, entry := range entries {
		if !entry.IsDir() && !vacant(filepath.Join(dir, entry.Name())) {
			names = append(names, entry.Name())
		}
	}
	for _, name := range names {
		if err := e.addCertFile(dir, name, names, combined); err != nil {
			return true, err
		}
	}
	return true, nil
}

// vacant reports whether a file holds nothing: it is empty, a link to nothing, or one of the hidden files
// that macOS puts beside others.
func vacant(file string) bool {
	raw, err := readFile(file)
	return errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(raw)) == 0 ||
		strings.HasPrefix(filepath.Base(file), ".")
}

func (e *Endpoint) addCertFile(dir, name string, all []string, combined bool) error {
	file := filepath.Join(dir, name)
	switch base := strings.TrimSuffix(name, filepath.Ext(name)); filepath.Ext(name) {
	case ".crt":
		return e.addCA(file)
	case ".cert":
		key := filepath.Join(dir, base+".key")
		if !slices.Contains(all, base+".key") {
			if !combined {
				return missingKey(file, key)
			}
			key = ""
		}
		if err := e.addPair(file, key); !errors.Is(err, errNoKey) {
			return err
		}
		return missingKey(file, filepath.Join(dir, base+".key"))
	case ".key":
		if !combined && !slices.Contains(all, base+".cert") {
			return fmt.Errorf("%s is a key without its client certificate %s", file, filepath.Join(dir, base+".cert"))
		}
	}
	return nil
}

// missingKey says what is wrong with a certificate without a key. It often is a CA under the wrong name.
func missingKey(cert, key string) error {
	cas, err := readCAs(cert)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(cas, func(c *x509.Certificate) bool { return c.IsCA }) {
		return fmt.Errorf("%s is the certificate of a CA, but ends in .cert, which is for client certificates: "+
			"rename it to end in .crt", cert)
	}
	return fmt.Errorf("%s is a client certificate without its key %s (a CA to be trusted ends in .crt)",
		cert, key)
}

func (e *Endpoint) addCA(file string) error {
	cas, err := readCAs(file)
	e.CAs = append(e.CAs, cas...)
	return err
}

func (e *Endpoint) addPair(cert, key string) error {
	pair, err := readPair(cert, key)
	if err == nil {
		e.Certificates = append(e.Certificates, pair)
	}
	return err
}

// readCAs returns the certificates in a file, of any form.
func readCAs(name string) ([]*x509.Certificate, error) {
	raw, err := readFile(name)
	if err != nil {
		return nil, err
	}
	cas, err := certfile.CAs(raw)
	if err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	return cas, nil
}

var errNoKey = errors.New("it holds no private key")

// readPair returns a client certificate with its key. An empty keyFile means that certFile holds both.
func readPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := readFile(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, files := cert, certFile
	if keyFile != "" {
		if key, err = readFile(keyFile); err != nil {
			return tls.Certificate{}, err
		}
		files += " with " + keyFile
	} else if !holdsKey(cert) {
		return tls.Certificate{}, fmt.Errorf("%s: %w", certFile, errNoKey)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %v", files, err)
	}
	return pair, nil
}

func holdsKey(raw []byte) bool {
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return true
		}
	}
	return false
}
