package fetch

import (
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

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

// twins finds out whether two images would have one name in the layout. It has what each name refers to.
type twins map[string]digest.Digest

// refuse refuses images that would have the name of another one before them, and tells of each.
func (named twins) refuse(results []Result, tell func(*Result)) {
	for i := range results {
		r := &results[i]
		name := r.Reference.Tagged()
		if r.Err != nil || name == "" {
			continue
		}
		if first, ok := named[name]; ok && first != r.Image.Root.Digest {
			r.Err = fmt.Errorf("%s would name two images, %s and %s: fetch them into two layouts, or without the tag",
				name, first, r.Image.Root.Digest)
			tell(r)
			continue
		}
		named[name] = r.Image.Root.Digest
	}
}
