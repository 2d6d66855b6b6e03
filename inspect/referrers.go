package inspect

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"drayage/registry"
)

// Referrer is what belongs to an image without being part of it: a signature, an attestation, an SBOM.
type Referrer struct {
	Digest       digest.Digest `json:"digest"`
	ArtifactType string        `json:"artifactType,omitempty"`
	Tag          string        `json:"tag,omitempty"` // where cosign keeps it; empty if it names its subject
	Subject      digest.Digest `json:"subject"`       // what it belongs to: the index or a manifest
}

// ReadReferrers asks a registry for what belongs to im: to what the name stands for and to the platforms
// that im lists. Manifests that belong to referrers are not listed.
func (im *Image) ReadReferrers(ctx context.Context, repo *registry.Repository) error {
	subjects := im.Subjects()
	found := make([][]Referrer, len(subjects))
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(parallelReads)
	for i, d := range subjects {
		eg.Go(func() (err error) {
			found[i], err = referrersOf(egctx, repo, d)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return fmt.Errorf("referrers: %w", err)
	}
	im.Referrers = append(im.Referrers, slices.Concat(found...)...)
	return nil
}

// Subjects are the digests that something may belong to: of what the name stands for, and of the platforms'
// manifests.
func (im *Image) Subjects() []digest.Digest {
	all := []digest.Digest{im.Digest}
	seen := map[digest.Digest]bool{im.Digest: true}
	for _, p := range im.Platforms {
		if !seen[p.Digest] {
			seen[p.Digest] = true
			all = append(all, p.Digest)
		}
	}
	return all
}

func referrersOf(ctx context.Context, repo *registry.Repository, subject digest.Digest) ([]Referrer, error) {
	var all []Referrer
	listed, err := repo.Referrers(ctx, subject)
	if err != nil {
		return nil, err
	}
	for _, d := range listed {
		all = append(all, Referrer{Digest: d.Digest, ArtifactType: d.ArtifactType, Subject: subject})
	}
	for _, tag := range registry.CosignTags(subject) {
		d, err := repo.Digest(ctx, tag)
		if err != nil {
			return nil, err
		}
		if d != "" {
			all = append(all, Referrer{Digest: d, Tag: tag, Subject: subject})
		}
	}
	return all, nil
}
