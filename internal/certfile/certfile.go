// Package certfile reads certificates in the forms in which people keep them: PEM and DER, also with a byte
// order mark or in UTF-16. It knows what to do about what crypto/tls and crypto/x509 refuse.
package certfile

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"drayage/internal/plaintext"
)

// CAs returns the certificates in the content of a file. It leaves out certificates that Go cannot read,
// unless all are such: bundles of public CAs hold some. Its errors are to follow the name of the file.
func CAs(raw []byte) (all []*x509.Certificate, err error) {
	bad := errors.New("holds no certificate")
	if form := isPKCS7(plaintext.UTF8(raw)); form != "" {
		return nil, fmt.Errorf("holds certificates in PKCS #7, which are not read: "+
			"openssl pkcs7 -inform %s -print_certs -in FILE -out FILE.pem makes PEM of them", form)
	}
	for _, der := range certificates(plaintext.UTF8(raw)) {
		if ca, err := x509.ParseCertificate(der); err == nil {
			all = append(all, ca)
		} else if bad = fmt.Errorf("holds no certificate that can be read: %v", err); Hint(err) != "" {
			bad = fmt.Errorf("%v (%s)", bad, Hint(err))
		}
	}
	if len(all) == 0 {
		return nil, bad
	}
	return all, nil
}

// signedData begins a message of PKCS #7 with certificates
// (https://www.rfc-editor.org/rfc/rfc2315#section-14).
var signedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}

// isPKCS7 is what openssl calls the form of PKCS #7, or empty if raw is something else.
func isPKCS7(raw []byte) string {
	if block, _ := pem.Decode(raw); block != nil {
		if block.Type == "PKCS7" || block.Type == "CMS" {
			return "PEM"
		}
		return ""
	}
	var message struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}
	if _, err := asn1.Unmarshal(raw, &message); err == nil && message.Type.Equal(signedData) {
		return "DER"
	}
	return ""
}

// certificates lists what are certificates by their form.
func certificates(raw []byte) (all [][]byte) {
	block, rest := pem.Decode(raw)
	if block == nil {
		return elements(raw)
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
			der := append(elements(block.Bytes), block.Bytes)
			all = append(all, der[0]) // openssl's trust follows in the last kind
		}
	}
	return all
}

// elements divides DER into its outermost sequences. It is empty if raw is not DER.
func elements(raw []byte) (all [][]byte) {
	for v := (asn1.RawValue{}); len(raw) > 0; all = append(all, v.FullBytes) {
		var err error
		if raw, err = asn1.Unmarshal(raw, &v); err != nil || v.Tag != asn1.TagSequence {
			break
		}
	}
	return all
}

// hints are what to do about what crypto/tls and crypto/x509 say. They have no types for these errors. The
// settings are those of https://go.dev/doc/godebug.
var hints = []struct{ said, hint string }{
	{"negative serial number", "the serial number of the certificate is negative, which standards forbid; " +
		"the environment variable GODEBUG=x509negativeserial=1 allows it"},
	{"legacy Common Name", "the certificate names its host in the old way; " +
		"it needs one with a subjectAltName, or --insecure goes without verification"},
	{"insecure algorithm", "the certificate is signed with an algorithm that is broken; it needs a new one, " +
		"or --insecure goes without verification"},
	{"keys are insecure", "its RSA key is too short; the environment variable GODEBUG=rsa1024min=0 allows it"},
	{"RSA key larger than", "the environment variable GODEBUG=tlsmaxrsasize=16384 allows larger keys"},
	{"handshake failure", "the server may know only old ciphers, such as key exchange by RSA; " +
		"the environment variable GODEBUG=tlsrsakex=1,tls3des=1,tlssha1=1 allows them; " +
		"or it wants a client certificate in certs.d"},
	{"unsupported protocol version", oldVersion},
	{"protocol version not supported", oldVersion},
	{"certificate has expired or is not yet valid", "check the clock of this machine too"},
}

const oldVersion = "the server knows no TLS 1.2 or newer; a proxy before it could"

// Hint is what to do about an error of TLS or about a certificate, or nothing.
func Hint(err error) string {
	said := err.Error()
	for _, h := range hints {
		if strings.Contains(said, h.said) {
			return h.hint
		}
	}
	return ""
}
