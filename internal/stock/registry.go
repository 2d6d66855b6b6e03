package stock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/registry"
)

// Target is an image in a registry.
type Target struct {
	repo *registry.Repository
	tag  string // or a digest
}

func (t Target) String() string {
	if strings.Contains(t.tag, ":") {
		return t.repo.Name() + "@" + t.tag
	}
	return t.repo.Name() + ":" + t.tag
}

// Below lists the repositories of a registry, or those below a folder of it: its Repository is the folder.
// That a folder has none is skipped.
func (t *Taker) Below(
	ctx context.Context, c *registry.Client, folder registry.Reference,
) (refs []registry.Reference, err error) {
	all, err := c.Repositories(ctx, folder.Registry)
	if errors.As(err, new(*registry.Error)) {
		err = fmt.Errorf("%w; or name the repositories one by one", err)
	}
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if folder.Repository == "" || strings.HasPrefix(r, folder.Repository+"/") {
			refs = append(refs, registry.Reference{Registry: folder.Registry, Repository: r})
		}
	}
	if len(refs) == 0 && folder.Repository != "" {
		t.skip(folder.Name()+"/", "the registry lists no repository there")
	}
	return refs, nil
}

// Targets finds out which images references mean. One without tag and digest means all tags of its
// repository. A repository that is not there is skipped.
func (t *Taker) Targets(
	ctx context.Context, c *registry.Client, refs []registry.Reference,
) ([]Target, error) {
	found := make([][]Target, len(refs))
	err := t.each(ctx, len(refs), func(ctx context.Context, i int) error {
		repo := c.Repository(refs[i])
		tags := []string{refs[i].Target()}
		if tags[0] == "" {
			var err error
			if tags, err = t.tags(ctx, repo); err != nil {
				return err
			}
		}
		for _, tag := range tags {
			found[i] = append(found[i], Target{repo, tag})
		}
		return nil
	})
	return slices.Concat(found...), err
}

func (t *Taker) tags(ctx context.Context, repo *registry.Repository) ([]string, error) {
	tags, err := repo.Tags(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil && len(tags) > 0:
		return nil, fmt.Errorf("%s: the list of tags broke off after %d: %w", repo.Name(), len(tags), err)
	case len(tags) == 0 && (err == nil || errors.Is(err, registry.ErrNotFound)):
		t.skip(repo.Name(), "it is not there, or it has no tags")
		return nil, nil
	}
	return tags, err
}

// Registry visits images in registries. Those that are not there are skipped.
func (t *Taker) Registry(ctx context.Context, targets []Target) error {
	t.begin()
	var done atomic.Int64
	return t.each(ctx, len(targets), func(ctx context.Context, i int) error {
		err := t.target(ctx, targets[i])
		t.looked(int(done.Add(1)), len(targets))
		return err
	})
}

const defaultJobs = 8

// each calls do for n things, some at once. The first error ends it.
func (t *Taker) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(defaultJobs)
	if t.Jobs > 0 {
		eg.SetLimit(t.Jobs)
	}
	for i := range n {
		if egctx.Err() != nil {
			break
		}
		eg.Go(func() error { return do(egctx, i) })
	}
	if err := eg.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

func (t *Taker) target(ctx context.Context, at Target) error {
	called := at.String()
	root, raw, err := at.repo.Resolve(ctx, at.tag)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case isMissing(err):
		t.skip(called, "it is not there")
		return nil
	case err != nil && endsVisit(err):
		return err
	case err != nil:
		t.skip(called, "%s", strings.TrimPrefix(err.Error(), called+": "))
		return nil
	case root.MediaType == image.Schema1:
		t.skip(called, "it is in Docker's old schema 1, which travels converted")
		return nil
	}
	t.images.Add(1)
	if err := t.name(called, root.Digest); err != nil {
		return err
	}
	src := &image.MemorySource{Content: map[digest.Digest][]byte{root.Digest: raw}, Next: at.repo}
	return t.image(ctx, place{src, func(ctx context.Context, d v1.Descriptor) error {
		has, err := at.repo.Holds(ctx, d)
		if err == nil && !has {
			err = registry.ErrNotFound
		}
		return err
	}}, called, root)
}
