// Package imagesign checks the signatures that cosign makes of images with a key: simple signing, which hangs
// on the tag sha256-HEX.sig or refers to the image, and the bundles with a DSSE envelope that refer to it
// (https://github.com/sigstore/cosign/blob/v3.1.3/specs/SIGNATURE_SPEC.md). Nothing is asked of the network,
// and no root of trust is needed: the keys are all that is trusted. [ParseKey] reads a key, and
// [Checker.Check] says which keys have signed an image.
//
// Nothing that a signature covers is parsed before the signature holds. Signatures with certificates, those
// of notation, and entries of transparency logs are not checked. A signature with a certificate never counts.
package imagesign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/internal/limits"
	"drayage/internal/plaintext"
)

// Key is a public key whose signatures count.
type Key struct {
	Name        string        // what messages call it: its file
	Fingerprint digest.Digest // SHA-256 of the key in DER, as openssl and cosign have it

	public crypto.PublicKey
}

// The sizes of RSA keys that are accepted, in bits.
const (
	minRSA = 2048
	maxRSA = 16384
)

// ParseKey reads a public key in PEM, as cosign and openssl write it: ECDSA on P-256, P-384 or P-521,
// Ed25519, or RSA of 2048 bits or more. name is what messages call it. The error says what the file has
// instead.
func ParseKey(name string, r io.Reader) (*Key, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limits.PublicKey+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > limits.PublicKey {
		return nil, fmt.Errorf("more than %d bytes, so no public key", limits.PublicKey)
	}
	raw = plaintext.UTF8(raw)
	block, rest := pem.Decode(raw)
	if block == nil {
		return nil, noPEM(string(raw))
	}
	if again, _ := pem.Decode(rest); again != nil {
		return nil, errors.New("there is more than one key in it: give each key a file of its own")
	}
	k := &Key{Name: name}
	switch {
	case block.Type == "PUBLIC KEY":
		k.public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		k.public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, noPublicKey(block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("its public key cannot be read: %v", err)
	}
	if err := k.accept(); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(k.public)
	k.Fingerprint = digest.NewDigestFromBytes(digest.SHA256, sum(crypto.SHA256, der))
	return k, err
}

// noPEM says what a file without a key in PEM is.
func noPEM(text string) error {
	if strings.HasPrefix(text, "untrusted comment:") {
		return errors.New("a key of minisign: --key takes it; the key of images is cosign's, as in cosign.pub")
	}
	return errors.New("no public key in PEM: a file such as cosign.pub begins with -----BEGIN PUBLIC KEY-----")
}

// noPublicKey says what stands in place of a public key.
func noPublicKey(kind string) error {
	switch {
	case strings.Contains(kind, "PRIVATE KEY"):
		return errors.New("a private key, which belongs on the machine that signs: give the public key, " +
			"as in cosign.pub")
	case kind == "CERTIFICATE":
		return errors.New("a certificate and no key: cosign verifies signatures with certificates")
	}
	return fmt.Errorf("%q and no public key", kind)
}

// accept refuses keys that are too weak, and those that cosign does not sign with.
func (k *Key) accept() error {
	switch public := k.public.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if c := public.Curve; c == elliptic.P256() || c == elliptic.P384() || c == elliptic.P521() {
			return nil
		}
		return fmt.Errorf("an ECDSA key on the curve %s: P-256, P-384 and P-521 are accepted",
			public.Curve.Params().Name)
	case *rsa.PublicKey:
		if n := public.N.BitLen(); n < minRSA || n > maxRSA {
			return fmt.Errorf("an RSA key of %d bits: %d to %d are accepted", n, minRSA, maxRSA)
		}
		return nil
	}
	return errors.New("a public key of another kind: ECDSA, Ed25519 and RSA are accepted")
}

// hashes are what signatures are made over. cosign has used SHA-256 for all keys, and takes the longer ones
// for larger ECDSA keys now.
var hashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}

// signed reports whether the key has signed the message.
func (k *Key) signed(message, signature []byte) bool {
	if public, ok := k.public.(ed25519.PublicKey); ok {
		prehashed := &ed25519.Options{Hash: crypto.SHA512}
		return ed25519.Verify(public, message, signature) ||
			ed25519.VerifyWithOptions(public, sum(crypto.SHA512, message), signature, prehashed) == nil
	}
	for _, h := range hashes {
		hashed := sum(h, message)
		switch public := k.public.(type) {
		case *ecdsa.PublicKey:
			if ecdsa.VerifyASN1(public, hashed, signature) {
				return true
			}
		case *rsa.PublicKey:
			if rsa.VerifyPKCS1v15(public, h, hashed, signature) == nil {
				return true
			}
		}
	}
	return false
}

func sum(h crypto.Hash, p []byte) []byte {
	w := h.New()
	w.Write(p)
	return w.Sum(nil)
}

// hint is what a bundle calls the key that has signed it.
func (k *Key) hint() string {
	der, _ := x509.MarshalPKIXPublicKey(k.public) // ParseKey has done it before
	d := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(d[:])
}
