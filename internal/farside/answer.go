package farside

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/want"
)

// Answer leaves out of images all blobs but those in a list, as [LeaveOut] does. It returns the images that
// need a blob in the list, and those that are kept anyway. If blobs in the list are with no image, it returns
// them, and changes nothing.
func Answer(ctx context.Context, images []*image.Image, l *want.List, keep map[*image.Image]bool) (
	[]*image.Image, Division, *want.List, error,
) {
	there := map[blobKey]bool{}
	for _, im := range withReferrers(images) {
		for _, d := range im.Travelling() {
			there[keyOf(d)] = true
		}
		for i := range im.Manifests {
			d := im.Manifests[i].Descriptor
			there[keyOf(d)] = true
		}
	}
	wanted, missing := map[digest.Digest]bool{}, &want.List{}
	for _, b := range l.Blobs {
		if wanted[b.Digest] = true; !there[blobKey{b.Digest, b.Size}] {
			missing.Blobs = append(missing.Blobs, b)
		}
	}
	if len(missing.Blobs) > 0 {
		return images, Division{}, missing, nil
	}
	images = slices.DeleteFunc(images, func(im *image.Image) bool { return !keep[im] && !needs(im, wanted) })
	for _, im := range images {
		im.Referrers = needed(im.Referrers, wanted)
	}
	sum, err := LeaveOut(ctx, images, []Side{AllBut(wanted)})
	return images, sum, missing, err
}

// needed lists the referrers that have one of the blobs, and those that these belong to.
func needed(referrers []*image.Image, wanted map[digest.Digest]bool) (some []*image.Image) {
	subjects := map[digest.Digest]bool{}
	for _, r := range slices.Backward(referrers) { // what belongs to a referrer comes behind it
		alone := &image.Image{Graph: r.Graph}
		held := slices.ContainsFunc(r.Manifests, func(n image.Node) bool { return subjects[n.Descriptor.Digest] })
		if held || needs(alone, wanted) {
			subjects[r.Subject] = true
			some = append(some, r)
		}
	}
	slices.Reverse(some)
	return some
}

// needs reports whether an image or a referrer of it has one of the blobs.
func needs(im *image.Image, wanted map[digest.Digest]bool) bool {
	for _, part := range append([]*image.Image{im}, im.Referrers...) {
		for _, d := range part.Parts() {
			if wanted[d.Digest] {
				return true
			}
		}
	}
	return false
}
