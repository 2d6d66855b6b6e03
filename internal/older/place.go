package older

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/limits"
	"drayage/internal/natural"
	"drayage/internal/neighbours"
	"drayage/internal/source"
	"drayage/layout"
	"drayage/registry"
)

// OfSet are the images of a layout or an archive.
func OfSet(set *source.Set) Place {
	return &stored{layout: set.Layout, images: set.Images, loaded: map[*source.Image]*image.Image{}}
}

type stored struct {
	layout *layout.Layout // or nil
	images []*source.Image
	loaded map[*source.Image]*image.Image // nil: it cannot be used
}

// Near lists the images of the same repository, those with the nearest tags first, and then some others.
func (s *stored) Near(ctx context.Context, im *image.Image) (near []*image.Image, err error) {
	all := slices.DeleteFunc(slices.Clone(s.images), func(old *source.Image) bool {
		return old.Saved != nil || old.Referrer || old.Fault != nil
	})
	tag := tagOf(im.Names)
	slices.SortStableFunc(all, func(a, b *source.Image) int {
		return cmp.Or(cmp.Compare(kinship(im.Names, a.Names), kinship(im.Names, b.Names)),
			closer(tag, tagOf(a.Names), tagOf(b.Names)))
	})
	for _, old := range all {
		if len(near) >= limits.PatchImages || ctx.Err() != nil {
			break
		}
		if loaded := s.load(ctx, old, im); loaded != nil {
			near = append(near, loaded)
		}
	}
	return near, context.Cause(ctx)
}

// Holding implements holder.
func (s *stored) Holding(_ context.Context, d v1.Descriptor) image.Source {
	if s.layout == nil {
		return nil
	}
	if found, err := s.layout.Stat(d.Digest); err != nil || found.Size != d.Size {
		return nil
	}
	return s.layout.Content()
}

// load reads what describes an image. What cannot be read, or has no platform of the new image, is of no use.
func (s *stored) load(ctx context.Context, old *source.Image, im *image.Image) *image.Image {
	loaded, done := s.loaded[old]
	if !done {
		sel := image.Selection{Platforms: platforms(im)}
		if loaded, _ = old.Peek(ctx, sel); loaded == nil {
			loaded, _ = old.Peek(ctx, image.Selection{All: true})
		}
		s.loaded[old] = loaded
	}
	return loaded
}

// platforms are those of an image that are known.
func platforms(im *image.Image) (all []v1.Platform) {
	for _, p := range im.Platforms {
		if p.OS != "" && p.OS != "unknown" {
			all = append(all, p)
		}
	}
	return all
}

func tagOf(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return strings.TrimPrefix(strings.TrimPrefix(names[0], repository(names[0])), ":")
}

// closer compares two tags by how near they are to another one. Versions before it come first, the newest of
// them at the front; then come those behind it.
func closer(tag, a, b string) int {
	before := func(t string) bool { return natural.Compare(t, tag) <= 0 }
	if c := order(!before(a), !before(b)); c != 0 {
		return c
	}
	if before(a) {
		return natural.Compare(b, a)
	}
	return natural.Compare(a, b)
}

// OfRepository are the images of a repository of a registry: those under tags near to that of an image.
func OfRepository(repo *registry.Repository) Place {
	return &remote{repo: repo, loaded: map[digest.Digest]*image.Image{}}
}

type remote struct {
	repo   *registry.Repository
	tags   []string
	listed bool
	loaded map[digest.Digest]*image.Image
}

// Near asks for the images under a few tags. A registry that does not list tags, or refuses to be asked, has
// none.
func (r *remote) Near(ctx context.Context, im *image.Image) (near []*image.Image, err error) {
	if !r.listed {
		r.tags, err = r.repo.Tags(ctx)
		if r.listed = true; err != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	own := tagOf(im.Names)
	tags := neighbours.Tags(r.tags, own)
	if slices.Contains(r.tags, own) {
		tags = append(tags, own) // it may have been another image before
	}
	for _, tag := range tags {
		old, err := r.image(ctx, tag, im)
		if err != nil {
			return nil, err
		}
		if old != nil {
			near = append(near, old)
		}
	}
	return near, nil
}

// Holding implements holder.
func (r *remote) Holding(ctx context.Context, d v1.Descriptor) image.Source {
	if there, err := r.repo.Holds(ctx, d); err != nil || !there {
		return nil
	}
	return r.repo
}

// image loads what is under a tag. What is no image for the platforms of the new one is of no use.
func (r *remote) image(ctx context.Context, tag string, im *image.Image) (*image.Image, error) {
	d, _, err := r.repo.Resolve(ctx, tag)
	if err != nil {
		return nil, useless(ctx, err)
	}
	if old, done := r.loaded[d.Digest]; done {
		return old, nil
	}
	old, err := image.Open(ctx, r.repo, d, image.Selection{Platforms: platforms(im)})
	if err != nil {
		old = nil
	} else {
		old.Names = []string{r.repo.Name() + ":" + tag}
	}
	r.loaded[d.Digest] = old
	return old, useless(ctx, err)
}

// useless drops an error about an image that is not there, or cannot be used: another one may do. What the
// network does is for the user to know.
func useless(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, registry.ErrDenied),
		errors.Is(err, registry.ErrIntegrity), errors.As(err, new(*image.PlatformError)):
		return nil
	}
	return err
}
