package fakeregistry

import (
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/schema1test"
)

const (
	schema1       = "application/vnd.docker.distribution.manifest.v1+json"
	schema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// PutSchema1 signs and stores the manifest of an image in Docker's schema 1. The descriptor is that of the
// manifest without its signature: registries know it by that.
func (r *Registry) PutSchema1(name, tag string, im schema1test.Image) v1.Descriptor {
	payload := im.Payload()
	d := digest.FromBytes(payload)
	r.store(name, tag, schema1Signed, d, schema1test.Sign(payload, schema1test.NewSigner()))
	return v1.Descriptor{MediaType: schema1, Digest: d, Size: int64(len(payload))}
}
