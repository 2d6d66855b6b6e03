package upload

import (
	"context"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/registry"
)

// Base is another repository of the registry that images go to, and the tag of an image there that has layers
// which they have too.
type Base struct {
	Repository *registry.Repository
	Tag        string // may be empty
}

// basesOf lists the bases in the registry of a repository that are other repositories.
func (p *pusher) basesOf(repo *registry.Repository) (all []Base) {
	for _, b := range p.opts.Bases {
		if b.Repository.SameRegistry(repo) && b.Repository.Path() != repo.Path() {
			all = append(all, b)
		}
	}
	return all
}

// based asks the bases for a blob, and returns the path of one that has it, or nothing. A base that cannot be
// asked has none.
func (p *pusher) based(ctx context.Context, repo *registry.Repository, d v1.Descriptor) string {
	for _, b := range p.basesOf(repo) {
		if there, err := b.Repository.Exists(ctx, d); err == nil && there {
			p.knows(b.Repository, d.Digest)
			return b.Repository.Path()
		}
	}
	return ""
}
