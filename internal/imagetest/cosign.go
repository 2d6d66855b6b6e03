package imagetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// What cosign stores signatures as.
const (
	SimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	Bundle        = "application/vnd.dev.sigstore.bundle.v0.3+json"
	SignPredicate = "https://sigstore.dev/cosign/sign/v1"
	Statement     = "application/vnd.in-toto+json"

	CosignSignature = "dev.cosignproject.cosign/signature"
)

// Put stores content and describes it.
type Put = func(mediaType string, raw []byte) v1.Descriptor

// CosignKey signs images as cosign does.
type CosignKey struct{ crypto.Signer }

// NewCosignKey makes a key on P-256, as cosign generate-key-pair does.
func NewCosignKey() CosignKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return CosignKey{k}
}

// PEM is the public key as in cosign.pub.
func (k CosignKey) PEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// Hint is what bundles call the key.
func (k CosignKey) Hint() string {
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	must(err)
	sum := sha256.Sum256(der)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Signature signs a message, which is hashed with SHA-256.
func (k CosignKey) Signature(message []byte) []byte {
	sum := sha256.Sum256(message)
	p, err := k.Sign(rand.Reader, sum[:], crypto.SHA256)
	must(err)
	return p
}

// Payload is what is signed of an image in simple signing.
func Payload(d digest.Digest, name string) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},`+
		`"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`,
		name, d)
}

// SimpleLayer is the layer of a signature.
func (k CosignKey) SimpleLayer(put Put, payload []byte) v1.Descriptor {
	l := put(SimpleSigning, payload)
	l.Annotations = map[string]string{
		CosignSignature: base64.StdEncoding.EncodeToString(k.Signature(payload)),
	}
	return l
}

// SimpleManifest is the manifest that belongs to the tag sha256-HEX.sig.
func (k CosignKey) SimpleManifest(put Put, d digest.Digest, name string) v1.Manifest {
	return Manifest(put(v1.MediaTypeImageConfig, []byte("{}")), k.SimpleLayer(put, Payload(d, name)))
}

// SignSimply stores such a manifest.
func (k CosignKey) SignSimply(put Put, d digest.Digest, name string) v1.Descriptor {
	m := k.SimpleManifest(put, d, name)
	return put(m.MediaType, Encode(m))
}

// StatementOf is the statement in a bundle.
func StatementOf(d digest.Digest, predicate string) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1",`+
		`"subject":[{"digest":{%q:%q}}],"predicateType":%q,"predicate":{}}`,
		d.Algorithm().String(), d.Encoded(), predicate)
}

// BundleOf signs a payload and puts it into a bundle.
func (k CosignKey) BundleOf(payload []byte, payloadType string) []byte {
	message := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `{"mediaType":%q,"verificationMaterial":{"publicKey":{"hint":%q}},`+
		`"dsseEnvelope":{"payload":%q,"payloadType":%q,"signatures":[{"sig":%q}]}}`,
		Bundle, k.Hint(), b64(payload), payloadType, b64(k.Signature(message)))
}

// SignBundled stores the manifest with a bundle that refers to an image.
func (k CosignKey) SignBundled(put Put, subject v1.Descriptor) v1.Descriptor {
	bundle := k.BundleOf(StatementOf(subject.Digest, SignPredicate), Statement)
	return put(v1.MediaTypeImageManifest, Encode(BundleManifest(put, bundle, subject)))
}

// BundleManifest is the manifest with a bundle that refers to an image.
func BundleManifest(put Put, bundle []byte, subject v1.Descriptor) v1.Manifest {
	m := Manifest(put(v1.MediaTypeEmptyJSON, []byte("{}")), put(Bundle, bundle))
	m.ArtifactType = Bundle
	m.Subject = &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}
	return m
}
