package fetch

import (
	"errors"

	"drayage/image"
	"drayage/registry"
)

// errNameless is of an image that a layout could not name.
var errNameless = errors.New("it has no name, and a layout directory keeps images under names")

// Named returns the results by which [Into] brings an image that is somewhere else than in a registry, such
// as in an archive: one for each of its names. An image without a name gives one result with an error.
func Named(im *image.Image) (all []Result) {
	one := func(ref registry.Reference, names []string, err error) {
		named := &Image{Image: *im, Reference: ref}
		named.Names = names
		all = append(all, Result{Reference: ref, Image: named, Err: err})
	}
	for _, n := range im.Names {
		ref, err := registry.ParseReference(n)
		one(ref, []string{n}, err)
	}
	if len(im.Names) == 0 {
		one(registry.Reference{}, nil, errNameless)
	}
	return all
}
