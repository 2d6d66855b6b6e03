package imagesign

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/internal/limits"
)

// Types that say what a signed document is for.
const (
	typeCosign = "cosign container image signature"
	typeAtomic = "atomic container signature" // of containers-signature(5)

	statementType   = "application/vnd.in-toto+json"
	signPredicate   = "https://sigstore.dev/cosign/sign/v1"
	statementPrefix = "https://in-toto.io/Statement/v"
)

// claim is what a signed document says.
type claim struct {
	digests   []string // of the images that it is about, as algorithm:hex
	attests   bool     // it says something of the image, and does not sign it
	reference string   // the name that the image had when it was signed; may be empty
}

// about reports whether the claim is about an image.
func (c *claim) about(d digest.Digest) bool {
	for _, claimed := range c.digests {
		if claimed == d.String() {
			return true
		}
	}
	return false
}

// parsePayload reads the payload of simple signing. As its format has it
// (https://github.com/containers/image/blob/v5.36.2/docs/containers-signature.5.md), a critical key that is
// unknown makes it void.
func parsePayload(raw []byte) (*claim, error) {
	o, err := parse(raw)
	if err != nil {
		return nil, err
	}
	critical := o.object("critical")
	for key := range critical {
		if key != "type" && key != "image" && key != "identity" {
			return nil, fmt.Errorf("the critical key %q is unknown", key)
		}
	}
	if kind := critical.text("type"); kind != typeCosign && kind != typeAtomic {
		return nil, fmt.Errorf("its type is %q, so it signs no image", kind)
	}
	d := critical.object("image").text("docker-manifest-digest")
	if d == "" {
		return nil, errors.New("it names no digest of an image")
	}
	return &claim{digests: []string{d}, reference: critical.object("identity").text("docker-reference")}, nil
}

// parseStatement reads an in-toto statement
// (https://github.com/in-toto/attestation/blob/v1.1.2/spec/v1/statement.md).
func parseStatement(raw []byte) (*claim, error) {
	o, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if kind := o.text("_type"); !strings.HasPrefix(kind, statementPrefix) {
		return nil, fmt.Errorf("its type is %q and not that of a statement", kind)
	}
	subjects, err := o.list("subject")
	if err != nil {
		return nil, err
	}
	if len(subjects) > limits.Subjects {
		return nil, fmt.Errorf("it has more than %d subjects", limits.Subjects)
	}
	c := &claim{attests: o.text("predicateType") != signPredicate}
	for _, s := range subjects {
		digests := s.object("digest")
		for _, algorithm := range []string{"sha256", "sha512"} {
			if hex := digests.text(algorithm); hex != "" {
				c.digests = append(c.digests, algorithm+":"+hex)
			}
		}
	}
	if len(c.digests) == 0 {
		return nil, errors.New("it names no digest of an image")
	}
	return c, nil
}
