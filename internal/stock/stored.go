package stock

import (
	"context"
	"fmt"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/source"
	"drayage/internal/usage"
)

// Set visits a layout or an archive that has been opened. All blobs of a layout count, and of an archive
// those that images lead to. A docker tar has layers that an engine knows by their chain IDs.
func (t *Taker) Set(ctx context.Context, set *source.Set) error {
	if set.Spec.Name != "" {
		return usage.Errorf("an inventory is of all that is there: leave out the name %q", set.Spec.Name)
	}
	t.begin()
	for i, im := range set.Images {
		if t.looked(i, len(set.Images)); ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.images.Add(1)
		if err := t.setImage(ctx, set, im); err != nil {
			return err
		}
	}
	if set.Spec.Kind != source.Layout || set.Archive != nil {
		return nil
	}
	blobs, err := set.Layout.Blobs()
	if err != nil {
		return err
	}
	for _, d := range blobs {
		if !t.refused[d.Digest] {
			t.enter("", d)
		}
	}
	return nil
}

// setImage visits one image of a layout or an archive.
func (t *Taker) setImage(ctx context.Context, set *source.Set, im *source.Image) error {
	for _, name := range im.Names {
		if err := t.name(name, im.Digest()); err != nil {
			return err
		}
	}
	if im.Saved != nil {
		return t.saved(im)
	}
	root, src, err := im.Root(ctx)
	if err != nil {
		return err
	}
	return t.image(ctx, place{src, func(_ context.Context, d v1.Descriptor) error {
		found, err := set.Layout.Stat(d.Digest)
		if err == nil && found.Size != d.Size {
			err = fmt.Errorf("it has %d bytes and not %d", found.Size, d.Size)
		}
		return err
	}}, im.Label, root)
}

// saved enters the chains of an image in a docker tar: an engine that has loaded the tar has all of them,
// those too that were left out of it.
func (t *Taker) saved(im *source.Image) error {
	faults := slices.DeleteFunc(slices.Clone(im.Saved.Absent), func(a image.Absent) bool { return !a.IsFault() })
	for _, a := range faults {
		t.skip(im.Label, "%s: %s", a.Blob(), a.Cause())
	}
	if len(faults) > 0 {
		return nil
	}
	return t.chains(im.Saved.DiffIDs())
}
