package upload

import (
	"context"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/registry"
)

// basesOf lists the bases in the registry of a repository that are other repositories.
func (p *pusher) basesOf(repo *registry.Repository) (all []*registry.Repository) {
	for _, b := range p.opts.Bases {
		if b.SameRegistry(repo) && b.Path() != repo.Path() {
			all = append(all, b)
		}
	}
	return all
}

// based asks the bases for a blob, and returns the path of one that has it, or nothing. A base that cannot be
// asked has none.
func (p *pusher) based(ctx context.Context, repo *registry.Repository, d v1.Descriptor) string {
	for _, b := range p.basesOf(repo) {
		if there, err := b.Exists(ctx, d); err == nil && there {
			p.knows(b, d.Digest)
			return b.Path()
		}
	}
	return ""
}
