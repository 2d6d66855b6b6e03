package imagesign

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// bundleTypes are the media types of the bundles that cosign makes of images.
var bundleTypes = []string{
	"application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.sigstore.bundle+json;version=0.3",
}

// bundle is a bundle that a key has signed.
type bundle struct {
	hint      string // what it calls the key; nobody has signed that
	message   []byte // what is signed
	signature []byte
	payload   []byte
}

// unlike is the error about what is no signature that this package checks, and may be good all the same.
type unlike struct{ text string }

func (e *unlike) Error() string { return e.text }

// errKeyless is the error about what is signed with a certificate.
var errKeyless = errors.New("signed with a certificate")

// parseBundle reads a bundle
// (https://github.com/sigstore/protobuf-specs/blob/v0.5.1/protos/sigstore_bundle.proto). Nothing in it is
// verified.
func parseBundle(raw []byte) (*bundle, error) {
	o, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if kind := o.text("mediaType"); !slices.Contains(bundleTypes, kind) {
		return nil, &unlike{fmt.Sprintf("a bundle of type %q", kind)}
	}
	material := o.object("verificationMaterial")
	switch {
	case material.has("certificate") || material.has("x509CertificateChain"):
		return nil, errKeyless
	case o.has("messageSignature") && !o.has("dsseEnvelope"):
		return nil, &unlike{"a bundle with a message signature, which cosign makes of files and not of images"}
	case !material.has("publicKey") || !o.has("dsseEnvelope") || o.has("messageSignature"):
		return nil, errors.New("a bundle has one envelope and names its key")
	}
	b, err := parseEnvelope(o.object("dsseEnvelope"))
	if err == nil {
		b.hint = material.object("publicKey").text("hint")
	}
	return b, err
}

// parseEnvelope reads a DSSE envelope (https://github.com/secure-systems-lab/dsse/blob/v1.0.0/envelope.md).
// In a bundle it has one signature.
func parseEnvelope(o object) (*bundle, error) {
	kind := o.text("payloadType")
	if kind != statementType {
		return nil, &unlike{fmt.Sprintf("an envelope around %q", kind)}
	}
	all, err := o.list("signatures")
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("it has %d signatures, and a bundle has one", len(all))
	}
	b := &bundle{}
	if b.signature, err = all[0].bytes("sig"); err != nil {
		return nil, err
	}
	if b.payload, err = o.bytes("payload"); err != nil {
		return nil, err
	}
	b.message = encode(kind, b.payload)
	return b, nil
}

// encode is DSSE's encoding of what is signed
// (https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md#signature-definition).
func encode(kind string, payload []byte) []byte {
	head := "DSSEv1 " + strconv.Itoa(len(kind)) + " " + kind + " " + strconv.Itoa(len(payload)) + " "
	return append([]byte(head), payload...)
}
