package image

import (
	"context"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"drayage/internal/limits"
)

// FindReferrers returns what belongs to one manifest. It is called concurrently.
type FindReferrers func(ctx context.Context, subject digest.Digest) ([]*Image, error)

// Referrers finds what belongs to an image and, in turn, to that, each once, and again for each further tag
// that it has: one SBOM may belong to several platforms. The type of artifact of each is taken from its
// manifest, because lists of referrers do not always name it rightly.
func Referrers(ctx context.Context, im *Image, find FindReferrers) ([]*Image, error) {
	seen, tagged := map[digest.Digest]bool{}, map[string]bool{}
	subjects := im.subjects(seen)
	var all []*Image
	for len(subjects) > 0 {
		found := make([][]*Image, len(subjects))
		eg, egctx := errgroup.WithContext(ctx)
		eg.SetLimit(parallelReads)
		for i, d := range subjects {
			eg.Go(func() (err error) {
				found[i], err = find(egctx, d)
				return err
			})
		}
		if err := eg.Wait(); err != nil {
			return nil, fmt.Errorf("referrers: %w", err)
		}
		subjects = nil
		for _, some := range found {
			for _, r := range some {
				r.Root.ArtifactType = r.RootNode().Document.Artifact()
				if !seen[r.Root.Digest] || r.Tag != "" && !tagged[r.Tag] {
					all, subjects = append(all, r), append(subjects, r.subjects(seen)...)
				}
				tagged[r.Tag] = true
			}
		}
		if len(all) > limits.Referrers {
			return nil, ErrTooManyReferrers
		}
	}
	return all, nil
}

// ErrTooManyReferrers is the error about an image with more referrers than are carried.
var ErrTooManyReferrers = fmt.Errorf("more than %d referrers", limits.Referrers)

// subjects lists the digests that something may belong to, and notes them.
func (im *Image) subjects(seen map[digest.Digest]bool) (all []digest.Digest) {
	for _, n := range im.Manifests {
		if d := n.Descriptor.Digest; !seen[d] {
			seen[d] = true
			all = append(all, d)
		}
	}
	return all
}

// NamesOf lists the names that a referrer of the image has by its tag: one in each repository in which the
// image has a name.
func (im *Image) NamesOf(referrer *Image) (names []string) {
	seen := map[string]bool{}
	for _, n := range im.Names {
		name, _, _ := strings.Cut(n, "@")
		if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
			name = name[:i]
		}
		if name += ":" + referrer.Tag; referrer.Tag != "" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
