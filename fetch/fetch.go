// Package fetch brings images from registries into an OCI layout. [Resolve] finds out what an image consists of;
// [Images] brings any number of them, each blob once.
package fetch

import (
	"context"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/transfer"
	"drayage/layout"
	"drayage/registry"
)

// parallelImages is how many images are resolved at once; each is a few small requests.
const parallelImages = 8

// Options say what of each image is wanted, and how. The zero value means the default platform,
// and nobody is told anything.
type Options struct {
	All       bool          // every platform, the index unchanged
	Platforms []v1.Platform // the wanted ones; none means linux on this machine's architecture
	Referrers bool          // signatures, SBOMs and whatever else belongs to the images too
	Jobs      int           // blobs that move at once; 0 means 8

	// Planned is called once, before anything is transferred, with every blob that the images
	// consist of, each once.
	Planned func(blobs []v1.Descriptor)
	// Progress is told how many bytes of a blob are in the layout. It is called concurrently and must return at once.
	Progress func(blob v1.Descriptor, held int64)
	// Finished is called for each image when its outcome is known, by one goroutine at a time.
	Finished func(Result)
}

// Image is a resolved image and where it was found.
type Image struct {
	image.Image
	Reference registry.Reference

	// Schema1 is set if the registry has the image in Docker's schema 1, and is the digest by which the registry knows
	// it. The image has been converted then: its manifest has another digest.
	Schema1 digest.Digest

	unconverted *unconverted // in schema 1; nil once it has been converted
}

// Result is the outcome for one image.
type Result struct {
	Reference registry.Reference
	Image     *Image        // nil if it could not be resolved
	Replaced  v1.Descriptor // what the name referred to in the layout before, if it was something else
	Err       error
}

// Resolve asks a registry for an image's manifests and chooses among its platforms. No layer is read, except of an image in
// Docker's schema 1: it takes all of them to make a configuration of that. Then Options.Planned is called, and Options.Progress.
func Resolve(ctx context.Context, c *registry.Client, ref registry.Reference, opts Options) (*Image, error) {
	im, err := resolve(ctx, c, ref, opts)
	if err == nil && im.unconverted != nil {
		err = im.read(ctx, opts)
	}
	if err != nil {
		return nil, err
	}
	return im, nil
}

// resolve is Resolve without reading layers.
func resolve(ctx context.Context, c *registry.Client, ref registry.Reference, opts Options) (*Image, error) {
	repo := c.Repository(ref)
	root, raw, err := repo.Resolve(ctx, ref.Target())
	if err != nil {
		return nil, err
	}
	sel := image.Selection{All: opts.All, Platforms: opts.Platforms}
	if root.MediaType == image.Schema1 {
		im := &Image{Reference: ref, Image: image.Image{Source: repo, Names: ref.Names()}, Schema1: root.Digest}
		return im, im.resolveSchema1(ctx, repo, raw, sel)
	}
	first := image.MemorySource{Content: map[digest.Digest][]byte{root.Digest: raw}, Next: repo}
	g, err := image.Load(ctx, first, root, sel)
	if err != nil {
		return nil, err
	}
	im := &Image{Reference: ref, Image: image.Image{Graph: g, Source: g.Source(repo), Names: ref.Names()}}
	if opts.Referrers {
		im.Referrers, err = Referrers(ctx, repo, &im.Image)
	}
	return im, err
}

// Images brings the images into dst and names them there. One that fails does not stop the others; the results
// are in the order of refs. The error is that of ctx, if it has ended, or says that the disk takes nothing more.
func Images(ctx context.Context, c *registry.Client, refs []registry.Reference, dst *layout.Dir, opts Options) ([]Result, error) {
	results := resolveAll(ctx, c, refs, opts)
	refuseTwins(results)
	var tracked []*tracked
	for i := range results {
		if r := &results[i]; r.Err == nil {
			tracked = append(tracked, newTracked(r))
		} else {
			opts.finished(*r)
		}
	}
	plan := newPlan(tracked)
	if err := dst.Room(plan.blobs()); err != nil {
		return results, err
	}
	if opts.Planned != nil {
		opts.Planned(plan.blobs())
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	committer := newCommitter(ctx, dst, opts, len(tracked))
	for _, t := range tracked {
		if t.missing == 0 { // an index of nothing
			committer.add(t)
		}
	}
	push := func(ctx context.Context, j transfer.Job) error {
		err := dst.Push(ctx, j.Blob, j.Source, opts.report(j.Blob))
		if durable.DiskFailed(err) {
			stop(err) // no other blob would fare better
		}
		if err == nil {
			plan.learn(ctx, dst, j.Blob)
		}
		return err
	}
	transfer.Run(ctx, plan.jobs, opts.Jobs, push, func(j transfer.Job, err error) {
		for _, t := range plan.users[wantedBy(j)] {
			if t.done(err) {
				committer.add(t)
			}
		}
	})
	committer.close()
	return results, context.Cause(ctx)
}

func resolveAll(ctx context.Context, c *registry.Client, refs []registry.Reference, opts Options) []Result {
	results := make([]Result, len(refs))
	slots := make(chan struct{}, parallelImages)
	var wg sync.WaitGroup
	for i, ref := range refs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			im, err := resolve(ctx, c, ref, opts)
			if err != nil {
				im = nil
			}
			results[i] = Result{Reference: ref, Image: im, Err: err}
		})
	}
	wg.Wait()
	return results
}

// refuseTwins lets of several images that would have one name in the layout only the first pass.
func refuseTwins(results []Result) {
	named := map[string]digest.Digest{}
	for i := range results {
		r := &results[i]
		name := r.Reference.Tagged()
		if r.Err != nil || name == "" {
			continue
		}
		if first, ok := named[name]; ok && first != r.Image.Root.Digest {
			r.Err = fmt.Errorf("%s would name two images, %s and %s: fetch them into two layouts, or without the tag", name, first, r.Image.Root.Digest)
			continue
		}
		named[name] = r.Image.Root.Digest
	}
}

func (o Options) finished(r Result) {
	if o.Finished != nil {
		o.Finished(r)
	}
}

func (o Options) report(d v1.Descriptor) func(int64) {
	if o.Progress == nil {
		return nil
	}
	return func(held int64) { o.Progress(d, held) }
}

// PlatformError says that an image is not to be had for a wanted platform, and lists those it has.
type PlatformError = image.PlatformError
