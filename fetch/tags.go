package fetch

import (
	"context"
	"fmt"

	"drayage/internal/kind"
	"drayage/internal/pattern"
	"drayage/internal/usage"
	"drayage/registry"
)

// Tags makes references of repositories: one for each of their tags that match a pattern, such as 1.2*, or
// are in a range of versions, such as ">=1.2 <2" or ^1.2. Several stand with || between them. A repository in
// which nothing matches is an error that wraps registry.ErrNotFound and names the nearest tags. A list of
// tags that breaks off is an error too: nobody knows what is missing.
func Tags(
	ctx context.Context, c *registry.Client, repositories []registry.Reference, match string,
) (refs []registry.Reference, err error) {
	tags, err := pattern.ParseTags(match)
	if err != nil {
		return nil, err
	}
	for _, r := range repositories {
		if r.Digest != "" || r.Tag != "" && r.Tag != "latest" {
			return nil, usage.Errorf("%s names one image: give the repository, %s, for its tags", r, r.Name())
		}
		more, err := tagsOf(ctx, c.Repository(r), tags)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Name(), err)
		}
		for _, r.Tag = range more {
			refs = append(refs, r)
		}
	}
	return refs, nil
}

// tagsOf lists the tags of a repository that are chosen.
func tagsOf(ctx context.Context, r *registry.Repository, chosen pattern.Tags) ([]string, error) {
	tags, err := r.Tags(ctx)
	if err != nil && len(tags) > 0 {
		return nil, fmt.Errorf("the list of tags broke off after %d: %w", len(tags), err)
	}
	if err != nil {
		return nil, err
	}
	if tags, err = chosen.Choose(tags); err != nil {
		return nil, kind.Errorf(registry.ErrNotFound, "%w", err)
	}
	return tags, nil
}
