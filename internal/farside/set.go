package farside

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/rebuild"
	"drayage/internal/source"
	"drayage/internal/want"
)

// Found is what bases have of what was left out of a set.
type Found struct {
	Source  image.Source // of the set and the bases together
	Missing *want.List   // what no base has

	// Content are layers that Source has only as what they unpack to: blobs with their diff IDs.
	Content map[digest.Digest]bool

	rebuilt *rebuild.Source
	lost    map[blobKey]bool
}

// Search looks in the bases for what was left out of the images of a set, which are read from src, as [Fill]
// does. The caller calls Close of what was found behind the images, also after an error.
func Search(
	ctx context.Context, set *source.Set, src image.Source, bases []Base, temp string,
) (Found, error) {
	all, named := &image.Image{Source: src}, []*image.Image{}
	for _, im := range set.Images {
		all.Absent = append(append(all.Absent, im.NotHere...), plain(im.NotHere)...)
	}
	rebuilt, err := Fill(ctx, []*image.Image{all}, bases, temp)
	f := Found{Source: all.Source, Content: map[digest.Digest]bool{}, rebuilt: rebuilt, lost: map[blobKey]bool{}}
	if err != nil {
		return f, err
	}
	for _, d := range Lacking([]*image.Image{all}) {
		f.lost[keyOf(d)] = true
	}
	for _, im := range set.Images {
		for _, a := range im.NotHere {
			if isContent(a) && !f.lost[keyOf(a.Plain().Descriptor)] {
				f.Content[a.Descriptor.Digest] = true
			}
		}
		named = append(named, &image.Image{Names: []string{im.Label}, Absent: f.Still(im.NotHere)})
	}
	f.Missing = want.Missing(named, func(im *image.Image) []string { return im.Names })
	if err := Explain(ctx, f.Missing, rebuilt); err != nil {
		return f, err
	}
	f.Missing.Blobs = slices.DeleteFunc(f.Missing.Blobs, func(b want.Blob) bool {
		return len(b.Lost) == 0 && rebuilt.IsContent(v1.Descriptor{Digest: b.Digest, Size: b.Size})
	})
	return f, nil
}

// plain lists uncompressed layers: those that take the place of layers whose compression is lost.
func plain(absent []image.Absent) (all []image.Absent) {
	for _, a := range absent {
		if isContent(a) {
			all = append(all, a.Plain())
		}
	}
	return all
}

func isContent(a image.Absent) bool {
	return a.Reason == image.LeftOut && a.Rebuilt != nil && a.Rebuilt.Content
}

// Explain enters into a list of missing blobs which of them travel as patches, and what these need that is
// nowhere. The source may be nil.
func Explain(ctx context.Context, missing *want.List, src *rebuild.Source) (err error) {
	if src == nil {
		return nil
	}
	for i := range missing.Blobs {
		b := &missing.Blobs[i]
		if b.Lost, err = src.Lost(ctx, v1.Descriptor{Digest: b.Digest, Size: b.Size}); err != nil {
			return err
		}
	}
	return nil
}

// Close removes the files of layers that were rebuilt.
func (f Found) Close() error {
	if f.rebuilt == nil {
		return nil
	}
	return f.rebuilt.Close()
}

// Still lists those of some absent parts that the bases do not have.
func (f Found) Still(absent []image.Absent) []image.Absent {
	return slices.DeleteFunc(slices.Clone(absent), func(a image.Absent) bool {
		return a.Reason == image.LeftOut && !f.lost[keyOf(a.Descriptor)]
	})
}

func keyOf(d v1.Descriptor) blobKey { return blobKey{d.Digest, d.Size} }
