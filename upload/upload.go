// Package upload pushes images into registries. An [image.Image] goes byte for byte, so that its digests
// stay. An image of a docker tar gets a manifest, and its layers are compressed on the way. [Push] takes
// any number of both.
package upload

import (
	"cmp"
	"context"
	"slices"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/transfer"
	"drayage/registry"
)

// Target is an image and where it goes. Exactly one of Image and Saved is set.
type Target struct {
	Repository *registry.Repository
	Tag        string // empty: the image can be pulled by its digest only

	Image *image.Image              // is pushed byte for byte, but for what is absent
	Saved *dockerarchive.SavedImage // of a docker tar; its layers are compressed on the way

	// From is where Image is already; nil: nowhere. If that is in the registry that the image goes to, the
	// registry is asked to take over the blobs by itself.
	From *registry.Repository

	found places // set by Gather: where blobs are which Image lacks
}

// Blobs lists what the image consists of, without what is absent, as Options.Planned has it.
func (t Target) Blobs() []v1.Descriptor {
	if t.Image != nil {
		return t.Image.Travelling()
	}
	if t.Saved == nil { // nothing is known of it yet
		return nil
	}
	all := []v1.Descriptor{image.Describe(image.DockerConfig, t.Saved.Config)}
	for _, l := range t.Saved.Layers {
		all = append(all, v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: l.DiffID, Size: l.Size()})
	}
	return all
}

// Options say how images are pushed. The zero value is good.
type Options struct {
	Jobs     int    // layers that move at once; 0 means 8
	CacheDir string // where to remember compressed layers; empty: nowhere

	// Look makes [Gather] and [Foresee] look only: nothing is mounted.
	Look bool

	// Stream brings what targets need and what is not there yet. nil: everything can be read at any time.
	// [InOrder] must have been asked before.
	Stream Stream

	// KeepDigests makes it an error if a registry takes a manifest only with other media types, and so with
	// another digest: whoever has verified the digest of an image wants that digest.
	KeepDigests bool

	// AskOnly keeps [Gather] from changing anything in the registry: no blob is mounted.
	AskOnly bool

	// Compression is for layers of docker tars that are stored uncompressed.
	Compression Compression

	// Reuse is for layers of docker tars that are stored uncompressed. Manifests of such tars depend on it, and
	// on what the registry has.
	Reuse Reuse
	// Warn is told what registries say of their blobs and is not so, as a *FalseClaim. It is called
	// concurrently and must return at once.
	Warn func(error)

	// Bases are other repositories of the registries that targets go to. A layer of a docker tar that one of
	// them has is mounted from there.
	Bases []Base

	// Sharing is what is known of other processes that push other parts of the same images. nil: there are none.
	Sharing *Sharing

	// Planned is called before anything is transferred, with the layers and configurations to come. If there
	// are very many images, it is called several times, and told again of blobs that they share. Those of docker
	// tars have their diff ID as digest and their stored size, which for layers in a Stream is 0 here and right
	// in Progress.
	Planned func(blobs []v1.Descriptor)
	// Finished is told of each target once: as soon as its image can be pulled, or has failed. It is called by
	// one goroutine at a time, and other images wait for it. It is not told of what the end of ctx leaves
	// unfinished: the results hold that too.
	Finished func(Result)
	// Progress is told how many bytes of such a blob have been dealt with. It is called concurrently and must
	// return at once.
	Progress func(blob v1.Descriptor, done int64)
}

// Result is the outcome for one target.
type Result struct {
	Target     Target
	Descriptor v1.Descriptor // of the manifest or index in the registry
	Converted  bool          // the registry wanted other media types, so its digest is not the layout's
	Err        error
}

// Push pushes all targets. One that fails does not stop the others; results are in the order of targets.
// The error is that of ctx, if it has ended. For each image the manifest is stored only when all that it
// refers to is there, and its tag last.
func Push(ctx context.Context, targets []Target, opts Options) ([]Result, error) {
	if err := cmp.Or(opts.Compression.Check(), opts.Reuse.check()); err != nil {
		return nil, err
	}
	results := newResults(targets)
	p := newPusher(results, opts)
	if opts.Planned != nil {
		for part := range slices.Chunk(results, window) {
			opts.Planned(planned(part))
		}
	}
	at := len(results)
	if opts.Stream == nil && opts.Sharing == nil { // a stream goes by once, and other shards wait
		at = window
	}
	for part := range slices.Chunk(results, max(at, 1)) {
		p.plans(part)
		p.push(ctx)
	}
	_ = p.finishing.Wait() // each image has its own outcome
	return results, context.Cause(ctx)
}

// window is how many targets are planned at once. It bounds what is in memory of their plan, and how long it
// takes until the first of very many images is there.
const window = 1000

// push does all jobs of the plan. Manifests may still be on their way when it returns.
func (p *pusher) push(ctx context.Context) {
	now, later, repeated := p.split()
	first, now, theirs := p.divide(now)
	again, repeated, more := p.divide(repeated)
	if p.opts.Stream != nil {
		p.plan.Hold() // what stands at the end of the stream may show that it is wrong
	}
	p.plan.Begin(func(r *Result, err error) { p.finish(ctx, r, err) })
	transfer.Run(ctx, first, p.opts.Jobs, p.do, p.plan.Done)
	transfer.Run(ctx, now, p.opts.Jobs, p.do, p.plan.Done)
	var end error
	if p.opts.Stream != nil {
		end = p.stream(ctx, later)
	}
	transfer.Run(ctx, slices.Concat(again, repeated), p.opts.Jobs, p.do, p.plan.Done)
	p.await(ctx, slices.Concat(theirs, more))
	if p.opts.Stream != nil {
		p.plan.Release(end)
	}
}

func newResults(targets []Target) []Result {
	results := make([]Result, len(targets))
	for i, t := range targets {
		results[i].Target = t
	}
	return results
}
