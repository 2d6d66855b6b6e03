package hostconfig

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// readCAs returns the certificates in a PEM file, or the one in a DER file. Of several, those that Go cannot read are
// left out, as bundles of public CAs hold some.
func readCAs(name string) ([]*x509.Certificate, error) {
	raw, err := readFile(name)
	if err != nil {
		return nil, err
	}
	if ca, err := x509.ParseCertificate(raw); err == nil {
		return []*x509.Certificate{ca}, nil
	}
	var (
		cas []*x509.Certificate
		bad error
	)
	for rest := raw; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			bad = err
			continue
		}
		cas = append(cas, ca)
	}
	switch {
	case len(cas) > 0:
		return cas, nil
	case bad != nil:
		return nil, fmt.Errorf("%s: no certificate in it can be read: %v", name, bad)
	}
	return nil, fmt.Errorf("%s holds no certificate", name)
}

// errNoKey is returned by readPair for a file that was to hold certificate and key, and holds no key.
var errNoKey = errors.New("it holds no private key")

// readPair returns a client certificate with its key. An empty keyFile means that both are in certFile.
func readPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := readFile(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	if keyFile == "" {
		if !holdsKey(cert) {
			return tls.Certificate{}, fmt.Errorf("%s: %w", certFile, errNoKey)
		}
		pair, err := tls.X509KeyPair(cert, cert)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("%s: %v", certFile, err)
		}
		return pair, nil
	}
	key, err := readFile(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s with %s: %v", certFile, keyFile, err)
	}
	return pair, nil
}

func holdsKey(raw []byte) bool {
	for {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			return false
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return true
		}
	}
}
