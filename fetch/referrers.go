package fetch

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/registry"
)

// maxReferrers bounds what one image can drag along.
const maxReferrers = 1000

var errTooManyReferrers = fmt.Errorf("more than %d referrers", maxReferrers)

// Referrer is what belongs to an image without being part of it: a signature, an attestation, an SBOM.
type Referrer struct {
	*image.Graph
	Source  image.Source
	Subject digest.Digest // of the manifest that it belongs to
	Tag     string        // how cosign names it; empty where its manifest names the subject
}

// Referrers finds what belongs to an image and, in turn, to that.
func Referrers(ctx context.Context, repo *registry.Repository, g *image.Graph) ([]*Referrer, error) {
	seen := map[digest.Digest]bool{}
	var level []digest.Digest
	for _, n := range g.Manifests {
		seen[n.Descriptor.Digest] = true
		level = append(level, n.Descriptor.Digest)
	}
	var all []*Referrer
	for len(level) > 0 {
		found := make([][]*Referrer, len(level))
		eg, egctx := errgroup.WithContext(ctx)
		eg.SetLimit(parallelImages)
		for i, d := range level {
			eg.Go(func() (err error) {
				found[i], err = referrersOf(egctx, repo, d)
				return err
			})
		}
		if err := eg.Wait(); err != nil {
			return nil, fmt.Errorf("referrers: %w", err)
		}
		level = nil
		for _, some := range found {
			for _, r := range some {
				if d := r.Root.Digest; !seen[d] {
					seen[d] = true
					level = append(level, d)
					all = append(all, r)
				}
			}
		}
		if len(all) > maxReferrers {
			return nil, errTooManyReferrers
		}
	}
	return all, nil
}

func referrersOf(ctx context.Context, repo *registry.Repository, d digest.Digest) ([]*Referrer, error) {
	listed, err := repo.Referrers(ctx, d)
	if err != nil {
		return nil, err
	}
	if len(listed) > maxReferrers { // before any of them is read
		return nil, errTooManyReferrers
	}
	var all []*Referrer
	for _, desc := range listed {
		r, err := loadReferrer(ctx, repo, desc, d, "")
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	for _, tag := range registry.CosignTags(d) {
		desc, _, err := repo.Resolve(ctx, tag)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r, err := loadReferrer(ctx, repo, desc, d, tag)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func loadReferrer(ctx context.Context, repo *registry.Repository, desc v1.Descriptor, subject digest.Digest, tag string) (*Referrer, error) {
	g, err := image.Load(ctx, repo, desc, image.Selection{All: true})
	if err != nil {
		return nil, err
	}
	return &Referrer{Graph: g, Source: g.Source(repo), Subject: subject, Tag: tag}, nil
}
