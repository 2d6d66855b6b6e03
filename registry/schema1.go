package registry

import (
	"errors"

	"drayage/image"
	"drayage/internal/schema1"
)

// covered is what the digest of a manifest is of: all of it, but of one in Docker's schema 1 only what its
// signatures are of.
func covered(announced string, raw []byte) []byte {
	if image.IsImageManifest(announced) || image.IsIndex(announced) {
		return raw
	}
	if payload, err := schema1.Payload(raw); err == nil && isSchema1(payload) {
		return payload
	}
	return raw
}

// isSchema1 looks at the payload and not at what the server calls it: nothing else must be taken for what its digest is of.
func isSchema1(payload []byte) bool {
	_, err := image.ParseManifest("", payload)
	return errors.Is(err, image.ErrUnsupported)
}
