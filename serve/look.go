package serve

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// Repository returns the repository with a full name.
func (c *Catalog) Repository(name string) (Repository, bool) {
	i, found := c.byName[name]
	if !found {
		return Repository{}, false
	}
	return c.repositories[i], true
}

// Manifest reads and verifies a manifest or index, and returns its descriptor with its media type. The error
// about one that is nowhere wraps fs.ErrNotExist.
func (c *Catalog) Manifest(ctx context.Context, d digest.Digest) (v1.Descriptor, error) {
	desc, err := c.Stat(d)
	if err != nil {
		return v1.Descriptor{}, err
	}
	raw, err := image.ReadAll(ctx, c, desc, image.MaxManifestSize)
	if err != nil {
		return v1.Descriptor{}, err
	}
	if desc.MediaType = c.mediaType(d, raw); desc.MediaType == "" {
		return v1.Descriptor{}, fmt.Errorf("%s is no manifest", d)
	}
	return desc, nil
}

// Referrers lists what came with a manifest and names it as its subject, such as signatures. Nothing of it
// has been read: media types may be empty.
func (c *Catalog) Referrers(subject digest.Digest) []v1.Descriptor {
	return slices.Clone(c.referring[subject])
}
