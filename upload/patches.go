package upload

import (
	"context"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/registry"
)

// BaseFinder finds layers that patches need in the registry that images go to: in the repository of an image
// that needs one, and then in others.
type BaseFinder struct {
	gatherer *gatherer
	near     map[digest.Digest][]*registry.Repository // repositories of images that need a base
}

// NewBaseFinder returns a finder for those layers of the images of targets and their referrers that were left
// out and are rebuilt from others.
func NewBaseFinder(targets []Target, opts Options) *BaseFinder {
	f := &BaseFinder{newGatherer(opts, nil), map[digest.Digest][]*registry.Repository{}}
	for _, t := range targets {
		f.gatherer.enter(t)
	}
	for _, w := range f.gatherer.wanted {
		if w.rebuilt == nil {
			continue
		}
		for _, b := range w.rebuilt.Bases {
			f.near[b.Digest] = append(f.near[b.Digest], w.repo)
		}
	}
	return f
}

// Find looks for a base by its digest, and for what the same layer became when an earlier push compressed it.
// The source is nil if no repository has it. Find may be called concurrently.
func (f *BaseFinder) Find(ctx context.Context, b image.Base) (v1.Descriptor, image.Source, error) {
	candidates := []v1.Descriptor{b.Descriptor}
	if d, known := f.gatherer.cache.Lookup(b.DiffID); known && d.Digest != b.Digest {
		candidates = append(candidates, d)
	}
	near := f.near[b.Digest]
	if len(near) == 0 {
		near = f.gatherer.repos[:min(len(f.gatherer.repos), 1)]
	}
	for _, d := range candidates {
		for _, repo := range near[:min(len(near), maxNearby)] {
			if there, err := repo.Exists(ctx, d); err != nil {
				return d, nil, err
			} else if there {
				return d, repo, nil
			}
		}
		for _, repo := range near[:min(len(near), 1)] {
			if at, err := f.gatherer.elsewhere(ctx, wanted{blob: d, repo: repo}); at.source != nil || err != nil {
				return d, at.source, err
			}
		}
	}
	return v1.Descriptor{}, nil, nil
}
