package fetch

import (
	"context"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/registry"
)

// parallelImages is how many images are resolved at once; each is a few small requests.
const parallelImages = 8

// Resolve asks registries for the manifests of images and chooses among their platforms. The results are in
// the order of refs, and one that fails does not stop the others. No layer is read, so that an image in
// Docker's schema 1 has no manifest yet: [Image.Convert] or [Into] make one.
func Resolve(ctx context.Context, c *registry.Client, refs []registry.Reference, opts Options) []Result {
	sel := image.Selection{All: opts.All, Platforms: opts.Platforms, Later: opts.Later}
	return resolveAll(ctx, c, refs, sel, opts.inTurn())
}

func resolveAll(
	ctx context.Context, c *registry.Client, refs []registry.Reference, sel image.Selection, opts Options,
) []Result {
	results := make([]Result, len(refs))
	var eg errgroup.Group
	eg.SetLimit(parallelImages)
	known := newConfigs(opts.Held)
	for i, ref := range refs {
		eg.Go(func() error {
			r := resolver{client: c, ref: ref, repo: c.Repository(ref), sel: sel, opts: opts, configs: known}
			if results[i] = r.result(ctx); results[i].Err != nil {
				opts.finished(ctx, &results[i])
			}
			return nil
		})
	}
	_ = eg.Wait()  // each has its own outcome
	if sel.Later { // blobs move next
		known.full()
	}
	return results
}

// resolver finds out what one image consists of.
type resolver struct {
	client *registry.Client
	ref    registry.Reference
	repo   *registry.Repository // of ref
	sel    image.Selection
	opts   Options

	configs *configs
}

func (r *resolver) result(ctx context.Context) Result {
	result := Result{Reference: r.ref}
	if there, d := r.copied(ctx); there != nil {
		if im, err := r.resolve(ctx, there, d.String()); err == nil {
			result.Image, result.There = im, true
			return result
		}
	}
	result.Image, result.Err = r.resolve(ctx, r.repo, r.ref.Target())
	return result
}

// copied returns where a copy of the image is, with its digest, or nil. The copy is asked first: if there is
// none, the registry of the image is asked nothing more than without it.
func (r *resolver) copied(ctx context.Context) (*registry.Repository, digest.Digest) {
	if r.opts.There == nil {
		return nil, ""
	}
	at := r.opts.There(r.ref)
	if at.Tag == "" {
		return nil, ""
	}
	there := r.client.Repository(at)
	had, err := there.Digest(ctx, at.Tag)
	if err != nil || had == "" {
		return nil, ""
	}
	want, err := r.ref.Digest, error(nil)
	if want == "" {
		want, err = r.repo.Digest(ctx, r.ref.Tag)
	}
	if err != nil || want != had {
		return nil, ""
	}
	return there, had
}

// resolve reads the manifests from a repository that has them. Blobs come from that of the name.
func (r *resolver) resolve(ctx context.Context, from *registry.Repository, target string) (*Image, error) {
	root, raw, err := from.Resolve(ctx, target)
	if err != nil && r.opts.Explain != nil {
		err = r.opts.Explain(ctx, r.repo, r.ref, err)
	}
	if err != nil {
		return nil, err
	}
	if root.MediaType == image.Schema1 {
		return resolveSchema1(ctx, r.repo, r.ref, raw, r.sel)
	}
	first := &image.MemorySource{Content: map[digest.Digest][]byte{root.Digest: raw}, Next: r.configs.of(from)}
	g, err := image.Load(ctx, first, root, r.opts.Held.Join(ctx, r.ref.Names(), root, r.sel))
	if err != nil {
		return nil, err
	}
	im := &Image{Reference: r.ref, Image: image.Image{Graph: g, Names: r.ref.Names()}}
	im.Source = g.Source(r.configs.of(r.repo))
	im.joining = r.opts.Held.joins(r.ref, root, r.sel, r.repo)
	if r.opts.Referrers {
		if im.Referrers, err = Referrers(ctx, r.repo, &im.Image); err != nil {
			return nil, err
		}
		if im.Root.Digest != root.Digest {
			im.IndexReferrers, err = allReferrerDigests(ctx, r.repo, root.Digest)
		}
	}
	return im, err
}
