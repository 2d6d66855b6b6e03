package upload

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/registry"
)

// leaveOut takes foreign layers that the source does not have out of what is pushed. Registries take manifests without them, because
// engines ask the addresses in the manifest (https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#non-distributable-layers).
func (im *LayoutImage) leaveOut(ctx context.Context) error {
	var here []v1.Descriptor
	for _, d := range im.Graph.Blobs {
		if image.IsForeign(d.MediaType) {
			rc, err := im.Source.Open(ctx, d, 0, 0)
			if errors.Is(err, fs.ErrNotExist) {
				im.Absent = append(im.Absent, d)
				continue
			}
			if err != nil {
				return err
			}
			rc.Close()
		}
		here = append(here, d)
	}
	im.Graph.Blobs = here
	return nil
}

// Foreign lists the foreign layers that the source has: they are pushed like all others.
func (im *LayoutImage) Foreign() []v1.Descriptor {
	var all []v1.Descriptor
	for _, d := range im.Graph.Blobs {
		if image.IsForeign(d.MediaType) {
			all = append(all, d)
		}
	}
	return all
}

func (im *LayoutImage) lacks(d v1.Descriptor) bool {
	return slices.ContainsFunc(im.Absent, func(a v1.Descriptor) bool { return a.Digest == d.Digest })
}

// foreignHint says why a registry may not have taken a manifest with foreign layers: as it is installed, distribution answers them
// with 400 or 500 (https://distribution.github.io/distribution/about/configuration/#validation).
func foreignHint(n image.Node, err error) string {
	hasURLs := func(d v1.Descriptor) bool { return image.IsForeign(d.MediaType) && len(d.URLs) > 0 }
	if !errors.As(err, new(*registry.Error)) || !slices.ContainsFunc(n.Document.Layers, hasURLs) {
		return ""
	}
	return " (it names addresses of foreign layers: many registries take those only if validation.manifests.urls.allow in their configuration matches them)"
}
