package imagesign_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/imagesign"
	"drayage/internal/imagetest"
)

// negate makes the other form of an ECDSA signature.
func negate(t *testing.T, signature []byte, public *ecdsa.PublicKey) []byte {
	t.Helper()
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &rs); err != nil {
		t.Fatal(err)
	}
	rs.S.Sub(public.Curve.Params().N, rs.S)
	p, err := asn1.Marshal(rs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkix(t *testing.T, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return block("PUBLIC KEY", der)
}

func newRSA(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newECDSA(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKinds has an image signed with keys of all kinds and hashes.
func TestKinds(t *testing.T) {
	public, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	prehashed := &ed25519.Options{Hash: crypto.SHA512}
	r := newRSA(t, 2048)
	for _, c := range []struct {
		name   string
		pem    string
		signer crypto.Signer
		opts   crypto.SignerOpts
		good   bool
	}{
		{"P-256", "", newECDSA(t, elliptic.P256()), crypto.SHA256, true},
		{"P-384", "", newECDSA(t, elliptic.P384()), crypto.SHA256, true},
		{"P-384 with its own hash", "", newECDSA(t, elliptic.P384()), crypto.SHA384, true},
		{"P-521", "", newECDSA(t, elliptic.P521()), crypto.SHA512, true},
		{"P-256 with SHA-1", "", newECDSA(t, elliptic.P256()), crypto.SHA1, false},
		{"RSA", "", r, crypto.SHA256, true},
		{"RSA in PKCS 1", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&r.PublicKey)), r, crypto.SHA512,
			true},
		{"RSA with SHA-1", "", r, crypto.SHA1, false},
		{"RSA-PSS", "", r, &rsa.PSSOptions{Hash: crypto.SHA256}, false}, // as cosign has it
		{"Ed25519", pkix(t, public), edwards, crypto.Hash(0), true},
		{"Ed25519ph", pkix(t, public), edwards, prehashed, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			payload := imagetest.Payload(p.image.Digest, "")
			message := payload
			if h := c.opts.HashFunc(); h != 0 {
				w := h.New()
				w.Write(payload)
				message = w.Sum(nil)
			}
			signature, err := c.signer.Sign(rand.Reader, message, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			l := p.Put(imagetest.SimpleSigning, payload)
			l.Annotations = map[string]string{
				imagetest.CosignSignature: base64.StdEncoding.EncodeToString(signature),
			}
			p.layers(l)
			if c.pem == "" {
				c.pem = pkix(t, c.signer.Public())
			}
			k, err := imagesign.ParseKey("k.pub", strings.NewReader(c.pem))
			if err != nil {
				t.Fatal(err)
			}
			if v := p.check(p.image, k); (v.State == imagesign.Signed) != c.good {
				t.Errorf("%s: %s", v.State, v.Reason)
			}
		})
	}
}

func TestParseKey(t *testing.T) {
	good := string(imagetest.NewCosignKey().PEM())
	der := func(p []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	for _, c := range []struct{ name, text, want string }{
		{"good", good, ""},
		{"with text before it", "# the key of the team\n" + good, ""},
		{"with a byte order mark and line ends of Windows",
			"\ufeff" + strings.ReplaceAll(good, "\n", "\r\n"), ""},
		{"empty", "", "no public key in PEM"},
		{"two keys", good + good, "more than one key"},
		{"a minisign key", "untrusted comment: minisign public key\nRWQ\n", "--key takes it"},
		{"an ssh key", "ssh-ed25519 AAAA user@host\n", "no public key in PEM"},
		{"a private key of cosign", block("ENCRYPTED SIGSTORE PRIVATE KEY", []byte("{}")), "a private key"},
		{"a private key", block("PRIVATE KEY", der(x509.MarshalPKCS8PrivateKey(newECDSA(t, elliptic.P256())))),
			"a private key"},
		{"a certificate", block("CERTIFICATE", []byte("x")), "a certificate and no key"},
		{"something else", block("NEWS", []byte("x")), `"NEWS" and no public key`},
		{"broken", block("PUBLIC KEY", []byte("x")), "cannot be read"},
		{"a small curve", pkix(t, newECDSA(t, elliptic.P224()).Public()), "on the curve P-224"},
		{"a small RSA key", pkix(t, newRSA(t, 1024).Public()), "1024 bits"},
		{"a key that signs nothing", pkix(t, x25519.PublicKey()), "of another kind"},
		{"DSA", dsaKey(t), "of another kind"},
		{"very long", strings.Repeat("\n", 64<<10) + good, "more than"},
	} {
		k, err := imagesign.ParseKey("k.pub", strings.NewReader(c.text))
		switch {
		case (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: %v", c.name, err)
		case err == nil && k.Fingerprint.Validate() != nil:
			t.Errorf("%s: %s", c.name, k.Fingerprint)
		}
	}
}

// dsaKey is a DSA key, with small numbers.
func dsaKey(t *testing.T) string {
	t.Helper()
	type parameters struct{ P, Q, G *big.Int }
	y, err := asn1.Marshal(big.NewInt(4))
	if err != nil {
		t.Fatal(err)
	}
	params, err := asn1.Marshal(parameters{big.NewInt(23), big.NewInt(11), big.NewInt(2)})
	if err != nil {
		t.Fatal(err)
	}
	type algorithm struct {
		ID     asn1.ObjectIdentifier
		Params asn1.RawValue
	}
	der, err := asn1.Marshal(struct {
		Algorithm algorithm
		Key       asn1.BitString
	}{
		algorithm{asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}, asn1.RawValue{FullBytes: params}},
		asn1.BitString{Bytes: y, BitLength: len(y) * 8},
	})
	if err != nil {
		t.Fatal(err)
	}
	return block("PUBLIC KEY", der)
}

// FuzzParseKey holds that whatever is a key has a fingerprint.
func FuzzParseKey(f *testing.F) {
	f.Add(imagetest.NewCosignKey().PEM())
	f.Add([]byte("-----BEGIN RSA PUBLIC KEY-----\nMAYCAQMCAQM=\n-----END RSA PUBLIC KEY-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		k, err := imagesign.ParseKey("k.pub", bytes.NewReader(raw))
		if err == nil && k.Fingerprint.Validate() != nil {
			t.Errorf("%q: %s", raw, k.Fingerprint)
		}
	})
}

// FuzzCheck signs whatever comes, as the payload of both kinds of signatures, and puts it unsigned in the
// place of a bundle: only what says the digest of the image counts.
func FuzzCheck(f *testing.F) {
	p := newPlace(&testing.T{})
	key, err := imagesign.ParseKey("good.pub", bytes.NewReader(p.good.PEM()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(imagetest.Payload(p.image.Digest, "a.test/b"))
	f.Add(p.statement())
	f.Add(p.good.BundleOf(p.statement(), imagetest.Statement))
	f.Add([]byte(`{"mediaType":"` + imagetest.Bundle + `","verificationMaterial":{"certificate":{}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := &place{T: t, Store: imagetest.NewStore(), belongs: map[digest.Digest][]v1.Descriptor{},
			good: p.good, bad: p.bad, image: p.image, other: p.other}
		p.layers(p.good.SimpleLayer(p.Put, raw))
		p.bundle(p.good.BundleOf(raw, imagetest.Statement))
		p.bundle(raw)
		v := p.check(p.image, key)
		if v.State == imagesign.Signed && !bytes.Contains(raw, []byte(p.image.Digest.Encoded())) &&
			!bytes.Contains(raw, []byte(`\u`)) && !bytes.Contains(raw, []byte("payload")) {
			t.Errorf("%q: signed", raw)
		}
	})
}
