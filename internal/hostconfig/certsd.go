package hostconfig

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// dockerNames are the names under which certs.d may hold a directory for an endpoint: that of the registry in references, if it
// is the registry itself, and that of the machine. Windows has no colons in file names.
func (e *Endpoint) dockerNames(registry string) []string {
	names := []string{e.URL.Host}
	if !e.Mirror && registry != e.URL.Host {
		names = []string{registry, e.URL.Host}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !plainHost(name) })
	if runtime.GOOS == "windows" {
		for i := range names {
			names[i] = strings.ReplaceAll(names[i], ":", "")
		}
	}
	return names
}

// addDockerCerts gives e what certs.d holds for its host and no other.
func (f Files) addDockerCerts(e *Endpoint, registry string) error {
	for _, root := range f.DockerCerts {
		for _, name := range e.dockerNames(registry) {
			found, err := e.addCertDir(filepath.Join(root, name), false)
			if found || err != nil {
				return err
			}
		}
	}
	return nil
}

// addCertDir gives e the certificates of one directory in docker's manner: *.crt are CAs, NAME.cert and
// NAME.key a client certificate. With combined, as containerd reads such directories, NAME.cert may hold both.
func (e *Endpoint) addCertDir(dir string, combined bool) (found bool, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if absent(err) {
			return false, nil
		}
		return false, err
	}
	var names []string
	for _, entry := range entries {
		if !entry.IsDir() {
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
		return e.addPair(file, key)
	case ".key":
		if !slices.Contains(all, base+".cert") {
			return fmt.Errorf("%s is a key without its client certificate %s", file, filepath.Join(dir, base+".cert"))
		}
	}
	return nil
}

// missingKey says what is wrong with a certificate that has no key, which is often a CA under the wrong name.
func missingKey(cert, key string) error {
	cas, err := readCAs(cert)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(cas, func(c *x509.Certificate) bool { return c.IsCA }) {
		return fmt.Errorf("%s is the certificate of a CA, but ends in .cert, which is for client certificates: rename it to end in .crt", cert)
	}
	return fmt.Errorf("%s is a client certificate without its key %s (a CA to be trusted ends in .crt)", cert, key)
}

func (e *Endpoint) addCA(file string) error {
	cas, err := readCAs(file)
	e.CAs = append(e.CAs, cas...)
	return err
}

func (e *Endpoint) addPair(cert, key string) error {
	pair, err := readPair(cert, key)
	if errors.Is(err, errNoKey) {
		return fmt.Errorf("%w, and no file with it is named", err)
	}
	if err == nil {
		e.Certificates = append(e.Certificates, pair)
	}
	return err
}
