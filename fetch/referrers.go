package fetch

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/registry"
)

// Referrers finds what belongs to an image in its repository and, in turn, to that. What has no subject of
// its own is found by the tags that cosign gives it.
func Referrers(ctx context.Context, repo *registry.Repository, im *image.Image) ([]*image.Image, error) {
	return image.Referrers(ctx, im, func(ctx context.Context, subject digest.Digest) ([]*image.Image, error) {
		return referrersOf(ctx, repo, subject)
	})
}

func referrersOf(
	ctx context.Context, repo *registry.Repository, subject digest.Digest,
) ([]*image.Image, error) {
	listed, err := repo.Referrers(ctx, subject)
	if err != nil {
		return nil, err
	}
	if len(listed) > image.MaxReferrers { // before any of them is read
		return nil, image.ErrTooManyReferrers
	}
	var all []*image.Image
	open := func(d v1.Descriptor, tag string) error {
		r, err := image.Open(ctx, repo, d, image.Selection{All: true})
		if err == nil {
			r.Subject, r.Tag = subject, tag
			all = append(all, r)
		}
		return err
	}
	for _, d := range listed {
		if err := open(d, ""); err != nil {
			return nil, err
		}
	}
	for _, tag := range registry.CosignTags(subject) {
		d, _, err := repo.Resolve(ctx, tag)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err == nil {
			err = open(d, tag)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
