package farside

import (
	"context"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/limits"
	"drayage/internal/rebuild"
	"drayage/layout"
)

// layers finds the layers that patches need in bases: by digest, and then by diff ID where that is known.
type layers []Base

// Find implements [rebuild.Finder].
func (l layers) Find(ctx context.Context, b image.Base) (v1.Descriptor, image.Source, error) {
	if src, err := first(ctx, l, b.Descriptor); src != nil || err != nil {
		return b.Descriptor, src, err
	}
	for _, base := range l {
		u, ok := base.Side.(diffIDs)
		if !ok {
			continue
		}
		if d, err := u.layer(ctx, b.DiffID); d.Digest != "" || err != nil {
			return d, base.Source, err
		}
	}
	return v1.Descriptor{}, nil, nil
}

// diffIDs is a [Side] that finds a layer by what it unpacks to. The digest is empty if there is none.
type diffIDs interface {
	layer(ctx context.Context, diffID digest.Digest) (v1.Descriptor, error)
}

func (p plainLayers) layer(_ context.Context, diffID digest.Digest) (v1.Descriptor, error) {
	l, ok := p[diffID]
	if !ok {
		return v1.Descriptor{}, nil
	}
	return v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: diffID, Size: l.size}, nil
}

// unpacking is a layout whose configurations tell what its layers unpack to. They are read when one asks.
type unpacking struct {
	stored
	once  sync.Once
	known map[digest.Digest]v1.Descriptor
	err   error
}

func (u *unpacking) layer(ctx context.Context, diffID digest.Digest) (v1.Descriptor, error) {
	u.once.Do(func() { u.known, u.err = readDiffIDs(ctx, u.layout) })
	return u.known[diffID], u.err
}

// readDiffIDs reads the configurations of all images of a layout. What cannot be read tells nothing.
func readDiffIDs(ctx context.Context, l *layout.Layout) (map[digest.Digest]v1.Descriptor, error) {
	images, err := l.Images()
	if err != nil {
		return nil, err
	}
	tree := image.NewTree(l, image.Policy{
		Tolerant: true, MaxManifests: limits.AllManifests, MaxBytes: limits.AllHeld,
		Reads: func(d v1.Descriptor) bool { return d.MediaType == "" || image.IsManifest(d.MediaType) },
	})
	known := map[digest.Digest]v1.Descriptor{}
	met := map[*image.Node]bool{}
	for _, im := range images {
		if err := tree.Read(ctx, im.Descriptor); err != nil {
			return nil, err
		}
		err := tree.Walk(im.Descriptor, func(v image.Visit) error {
			n := v.Node
			if n == nil || n.Err != nil || met[n] || !n.Document.MayBeImage() {
				return ctx.Err()
			}
			met[n] = true
			config, err := tree.Config(ctx, n)
			if err != nil {
				return ctx.Err()
			}
			for i, id := range n.Document.Judge(config).DiffIDs {
				if d := n.Document.Layers[i]; known[id].Digest == "" && holds(l, d) {
					known[id] = d
				}
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	return known, nil
}

func holds(l *layout.Layout, d v1.Descriptor) bool {
	found, err := l.Stat(d.Digest)
	return err == nil && found.Size == d.Size
}

// Rebuilt is a base of the layers that are rebuilt: those of images, and those of the bases, which travelled
// as patches too. What they need is looked for in the bases, and then by more. temp is the directory for
// their files. The caller closes the source when nothing is read any more.
func Rebuilt(
	images []*image.Image, temp string, bases []Base, more ...rebuild.Finder,
) (Base, *rebuild.Source) {
	src := rebuild.New(nil, nil, append(rebuild.Finders{layers(bases)}, more...), temp)
	for _, im := range withReferrers(images) {
		src.Add(im.Absent, im.Source)
	}
	for _, b := range bases {
		src.Add(b.patched, b.Source)
	}
	return Base{Side: src, Source: src}, src
}
