package farside

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/rebuild"
)

// blobKey is a blob as a descriptor has it: descriptors that differ in the size mean different blobs.
type blobKey struct {
	digest digest.Digest
	size   int64
}

// Fill looks in the bases for what was left out of the images and their referrers. What it finds is read
// there from then on. The first base that has a blob gives it. Each base is asked once for a blob. A layer
// that no base has is rebuilt, if it travels as a patch and the bases have what that needs. The caller closes
// the source of such layers, whose files go into the directory temp, behind the images, also after an error.
func Fill(
	ctx context.Context, images []*image.Image, bases []Base, temp string,
) (*rebuild.Source, error) {
	made, src := Rebuilt(images, temp, bases)
	return src, fill(ctx, images, append(bases[:len(bases):len(bases)], made))
}

func fill(ctx context.Context, images []*image.Image, bases []Base) error {
	var mu sync.Mutex
	found := map[blobKey]image.Source{}
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(asked)
	for _, d := range Lacking(images) {
		eg.Go(func() error {
			src, err := first(egctx, bases, d)
			if src != nil {
				mu.Lock()
				defer mu.Unlock()
				found[keyOf(d)] = src
			}
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	for _, im := range images {
		im.Fill(func(d v1.Descriptor) image.Source { return found[keyOf(d)] })
	}
	return nil
}

// Lacking lists what was left out of images and their referrers, each blob once.
func Lacking(images []*image.Image) (all []v1.Descriptor) {
	seen := map[blobKey]bool{}
	for _, im := range withReferrers(images) {
		for _, a := range im.Absent {
			k := keyOf(a.Descriptor)
			if a.Reason == image.LeftOut && !seen[k] {
				seen[k] = true
				all = append(all, a.Descriptor)
			}
		}
	}
	return all
}

// KeptContent counts the layers of an image that come back uncompressed, because their compression is lost.
// The manifest of such an image is not the original one.
func KeptContent(im *image.Image) (n int) {
	for _, a := range im.Absent {
		if im.Rewritten && a.Rebuilt != nil && a.Descriptor.Digest == a.DiffID {
			n++
		}
	}
	return n
}

// first returns the source of the first base that has a blob, or nil.
func first(ctx context.Context, bases []Base, d v1.Descriptor) (image.Source, error) {
	for _, b := range bases {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		there, err := b.Has(ctx, d)
		if err != nil {
			return nil, err
		}
		if there {
			return b.Source, nil
		}
	}
	return nil, nil
}

// EachOther are the images as bases: what was left out of one may be with another.
func EachOther(images []*image.Image) Base {
	h := holdings{}
	for _, im := range withReferrers(images) {
		for _, d := range im.Travelling() {
			h[keyOf(d)] = im.Source
		}
	}
	return Base{Side: h, Source: h}
}

// holdings are blobs, each with the source that it is read from.
type holdings map[blobKey]image.Source

func (h holdings) Has(_ context.Context, d v1.Descriptor) (bool, error) {
	return h[keyOf(d)] != nil, nil
}

func (h holdings) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	src := h[keyOf(d)]
	if src == nil {
		return nil, fmt.Errorf("%s: %w", d.Digest, fs.ErrNotExist)
	}
	return src.Open(ctx, d, offset, length)
}
