package certfile_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"drayage/internal/certfile"
)

func newCA(t testing.TB, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(0x5a5a5a5a), Subject: pkix.Name{CommonName: name},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// negative is the certificate with a negative serial number.
func negative(der []byte) []byte {
	return bytes.Replace(der, []byte{2, 4, 0x5a, 0x5a, 0x5a, 0x5a}, []byte{2, 4, 0x85, 0x5a, 0x5a, 0x5a}, 1)
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func utf16(s string) string {
	wide := "\xff\xfe"
	for _, c := range []byte(s) {
		wide += string([]byte{c, 0})
	}
	return wide
}

func TestWild54CAs(t *testing.T) {
	a, b := newCA(t, "a"), newCA(t, "b")
	text := pemOf("CERTIFICATE", a)
	for name, c := range map[string]struct{ raw, want string }{
		"PEM":                      {text, "a"},
		"PEM with comments":        {"# ours\n" + text + "# theirs\n" + pemOf("CERTIFICATE", b), "a b"},
		"byte order mark":          {"\xef\xbb\xbf" + text, "a"},
		"CRLF":                     {strings.ReplaceAll(text, "\n", "\r\n"), "a"},
		"UTF-16":                   {utf16(text), "a"},
		"without a last line end":  {strings.TrimSpace(text), "a"},
		"old PEM":                  {pemOf("X509 CERTIFICATE", a), "a"},
		"openssl's trust":          {pemOf("TRUSTED CERTIFICATE", append(bytes.Clone(a), 0x30, 0)), "a"},
		"a key beside it":          {pemOf("EC PRIVATE KEY", []byte("x")) + text, "a"},
		"DER":                      {string(a), "a"},
		"two in DER":               {string(a) + string(b), "a b"},
		"DER with a line end":      {string(a) + "\n", "a"},
		"one of two is unreadable": {pemOf("CERTIFICATE", []byte("x")) + text, "a"},
		"one of two is negative":   {pemOf("CERTIFICATE", negative(b)) + text, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := certfile.CAs([]byte(c.raw))
			var names []string
			for _, ca := range all {
				names = append(names, ca.Subject.CommonName)
			}
			if got := strings.Join(names, " "); err != nil || got != c.want {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
	for name, c := range map[string]struct{ raw, want string }{
		"nothing":          {"", "no certificate"},
		"text":             {"hello", "no certificate"},
		"a key":            {pemOf("PRIVATE KEY", []byte("x")), "no certificate"},
		"broken":           {pemOf("CERTIFICATE", []byte("x")), "can be read"},
		"wild 20 negative": {pemOf("CERTIFICATE", negative(a)), "GODEBUG=x509negativeserial=1"},
		"negative DER":     {string(negative(a)), "GODEBUG=x509negativeserial=1"},
	} {
		if all, err := certfile.CAs([]byte(c.raw)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", name, all, err, c.want)
		}
	}
}

func TestHintOfNothing(t *testing.T) {
	if hint := certfile.Hint(errors.New("connection refused")); hint != "" {
		t.Error(hint)
	}
}

func FuzzCAs(f *testing.F) {
	a := newCA(f, "a")
	f.Add(a)
	f.Add([]byte(pemOf("CERTIFICATE", a)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, err := certfile.CAs(raw)
		if (err == nil) != (len(all) > 0) {
			t.Errorf("%d certificates, %v", len(all), err)
		}
	})
}

// PKCS #7, as Windows exports whole chains, is told by its name, with the way to PEM.
func TestPKCS7(t *testing.T) {
	der := []byte("\x30\x0f\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x02\x30\x00")
	for form, raw := range map[string][]byte{
		"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: der}),
	} {
		_, err := certfile.CAs(raw)
		if err == nil || !strings.Contains(err.Error(), "openssl pkcs7 -inform "+form+" -print_certs") {
			t.Errorf("%s: %v", form, err)
		}
	}
}
