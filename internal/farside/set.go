package farside

import (
	"context"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/source"
	"drayage/internal/want"
)

// Found is what bases have of what was left out of a set.
type Found struct {
	Source  image.Source // of the set and the bases together
	Missing *want.List   // what no base has

	lost map[blobKey]bool
}

// Search looks in the bases for what was left out of the images of a set, which are read from src.
func Search(ctx context.Context, set *source.Set, src image.Source, bases []Base) (Found, error) {
	all, named := &image.Image{Source: src}, []*image.Image{}
	for _, im := range set.Images {
		all.Absent = append(all.Absent, im.NotHere...)
	}
	if err := Fill(ctx, []*image.Image{all}, bases); err != nil {
		return Found{}, err
	}
	f := Found{Source: all.Source, lost: map[blobKey]bool{}}
	for _, d := range Lacking([]*image.Image{all}) {
		f.lost[keyOf(d)] = true
	}
	for _, im := range set.Images {
		named = append(named, &image.Image{Names: []string{im.Label}, Absent: f.Still(im.NotHere)})
	}
	f.Missing = want.Missing(named, func(im *image.Image) []string { return im.Names })
	return f, nil
}

// Still lists those of some absent parts that the bases do not have.
func (f Found) Still(absent []image.Absent) []image.Absent {
	return slices.DeleteFunc(slices.Clone(absent), func(a image.Absent) bool {
		return a.Reason == image.LeftOut && !f.lost[keyOf(a.Descriptor)]
	})
}

func keyOf(d v1.Descriptor) blobKey { return blobKey{d.Digest, d.Size} }
