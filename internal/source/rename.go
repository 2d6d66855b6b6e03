package source

import (
	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/usage"
)

// Rename gives a single image new names. images may hold it several times, under different old names.
func Rename(images []*image.Image, names []string) ([]*image.Image, error) {
	roots := map[digest.Digest]bool{}
	for _, im := range images {
		roots[im.Root.Digest] = true
	}
	if len(roots) > 1 {
		return nil, usage.Errorf("--tag names one image, but there are %d: "+
			"choose one as in oci:DIR:NAME, or save each to its own tar", len(roots))
	}
	for _, im := range images {
		im.Names = names
	}
	return images[:len(roots)], nil
}
