package upload

import (
	"errors"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/registry"
)

// foreignHint says why a registry may not have taken a manifest with foreign layers: as it is installed,
// distribution answers them with 400 or 500
// (https://distribution.github.io/distribution/about/configuration/#validation).
func foreignHint(n image.Node, err error) string {
	hasURLs := func(d v1.Descriptor) bool { return image.IsForeign(d.MediaType) && len(d.URLs) > 0 }
	if !errors.As(err, new(*registry.Error)) || !slices.ContainsFunc(n.Document.Layers, hasURLs) {
		return ""
	}
	return " (it names addresses of foreign layers: many registries take those " +
		"only if validation.manifests.urls.allow in their configuration matches them)"
}
