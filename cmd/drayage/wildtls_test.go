package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair is a certificate for this machine that is its own CA, with an RSA key.
func pair(t *testing.T, change func(der []byte) []byte) tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x5a5a5a5a), Subject: pkix.Name{CommonName: "registry"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{change(der)}, PrivateKey: key}
}

func asItIs(der []byte) []byte { return der }

func negativeSerial(der []byte) []byte {
	return bytes.Replace(der, []byte{2, 4, 0x5a, 0x5a, 0x5a, 0x5a}, []byte{2, 4, 0x85, 0x5a, 0x5a, 0x5a}, 1)
}

// serveTLS serves the registry over TLS, and returns its address.
func serveTLS(t *testing.T, config *tls.Config) string {
	t.Helper()
	reg, _ := lookingRegistry(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: reg, ErrorLog: log.New(io.Discard, "", 0)}
	t.Cleanup(func() { server.Close() })
	go server.Serve(l)
	return l.Addr().String()
}

func write(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What Go refuses is told together with the setting that allows it.
func TestWild20RefusedByTLS(t *testing.T) {
	good := pair(t, asItIs)
	for name, tc := range map[string]struct {
		config *tls.Config
		want   string
	}{
		"negative serial number": {&tls.Config{Certificates: []tls.Certificate{pair(t, negativeSerial)}},
			"GODEBUG=x509negativeserial=1"},
		"key exchange by RSA": {&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, "GODEBUG=tlsrsakex=1"},
		"3DES": {&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}}, "tls3des=1"},
		"TLS 1.1": {&tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10,
			MaxVersion: tls.VersionTLS11}, "no TLS 1.2"},
		"unknown CA": {&tls.Config{Certificates: []tls.Certificate{good}}, "--ca-file"},
		"a certificate is wanted": {&tls.Config{Certificates: []tls.Certificate{good},
			ClientAuth: tls.RequireAnyClientCert}, "certs.d"},
	} {
		t.Run(name, func(t *testing.T) {
			host := serveTLS(t, tc.config)
			args := []string{"ls", host + "/solo"}
			if tc.config.ClientAuth != tls.NoClientCert {
				args = append(args, "--insecure")
			}
			_, stderr, code := command(t, args...)
			if code != exitUnavailable || !strings.Contains(stderr, tc.want) {
				t.Errorf("exit %d: %s", code, stderr)
			}
		})
	}
}

// One reader reads CAs of every form, wherever they are.
func TestWild54CAFiles(t *testing.T) {
	ca := pair(t, asItIs)
	der := ca.Certificate[0]
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	host := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca}})
	certs := filepath.Join(os.Getenv("HOME"), ".config", "docker", "certs.d", host)
	for name, raw := range map[string][]byte{
		"PEM": text, "DER": der, "marked": append([]byte("\xef\xbb\xbf"), text...),
		"CRLF": bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")),
	} {
		file := filepath.Join(t.TempDir(), "ca.pem")
		write(t, file, raw)
		if _, stderr, code := command(t, "ls", host+"/solo", "--ca-file", file); code != 0 {
			t.Errorf("%s: --ca-file: exit %d: %s", name, code, stderr)
		}
		write(t, filepath.Join(certs, "ca.crt"), raw)
		for _, odd := range []string{"._ca.crt", "empty.crt", "empty.cert", "empty.key", ".DS_Store"} {
			write(t, filepath.Join(certs, odd), nil)
		}
		write(t, filepath.Join(certs, "._ca.crt"), []byte("\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X"))
		if _, stderr, code := command(t, "ls", host+"/solo"); code != 0 {
			t.Errorf("%s: certs.d: exit %d: %s", name, code, stderr)
		}
		if err := os.RemoveAll(certs); err != nil {
			t.Fatal(err)
		}
	}
	for name, raw := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "negative": negativeSerial(der),
	} {
		file := filepath.Join(t.TempDir(), "ca.pem")
		write(t, file, raw)
		if _, stderr, code := command(t, "ls", host+"/solo", "--ca-file", file); code != exitUsage ||
			!strings.Contains(stderr, file) {
			t.Errorf("%s: exit %d: %s", name, code, stderr)
		}
	}
}
