package fetch

import (
	"context"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/schema1"
	"drayage/internal/transfer"
	"drayage/internal/unpack"
	"drayage/registry"
)

// parallelStats is how many blobs are asked for their size at once. Old images have dozens of layers.
const parallelStats = 8

// unconverted is an image in schema 1, which names the blobs of its layers and says nothing else about
// them. It gets a manifest and a configuration when all of them have been read.
type unconverted struct {
	image schema1.Image

	mu    sync.Mutex
	known map[digest.Digest]schema1.Blob
	err   error // the first failure to read a layer
}

// resolveSchema1 makes an image of what is known before any layer has been read: it has blobs, but no
// manifest.
func resolveSchema1(
	ctx context.Context, repo *registry.Repository, ref registry.Reference, raw []byte, sel image.Selection,
) (*Image, error) {
	parsed, err := schema1.Parse(raw)
	if err != nil {
		return nil, err
	}
	if err := sel.Check(parsed.Platform()); err != nil {
		return nil, err
	}
	digests := parsed.Blobs()
	g := &image.Graph{
		Root:  image.Describe(image.Schema1, raw),
		Blobs: make([]v1.Descriptor, len(digests)), Platforms: []v1.Platform{parsed.Platform()},
	}
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(parallelStats)
	for i, d := range digests {
		eg.Go(func() (err error) {
			g.Blobs[i], err = repo.Stat(egctx, d)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	return &Image{
		Image:     image.Image{Graph: g, Source: repo, Names: ref.Names()},
		Reference: ref, Schema1: g.Root.Digest,
		unconverted: &unconverted{image: parsed, known: map[digest.Digest]schema1.Blob{}},
	}, nil
}

// learn takes what a layer holds. A failure is that of this image: others that have the same layer may be
// fine.
func (u *unconverted) learn(d v1.Descriptor, content unpack.Layer, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil && u.err == nil {
		u.err = fmt.Errorf("layer %s: %w", d.Digest, err)
	}
	u.known[d.Digest] = schema1.Blob{Size: d.Size, DiffID: content.DiffID, Kind: content.Kind}
}

// readLayer finds out what a layer holds.
func readLayer(
	ctx context.Context, src image.Source, d v1.Descriptor, reported func(int64),
) (unpack.Layer, error) {
	r := image.NewReader(ctx, src, d)
	defer r.Close()
	layer, err := unpack.Sum(ctx, transfer.Counted(r, reported), digest.SHA256, nil)
	return layer, unpack.Explain(err, r)
}

// convert gives the image its manifest and its configuration, when all layers have been read.
func (im *Image) convert(ctx context.Context) error {
	if im.unconverted.err != nil {
		return im.unconverted.err
	}
	config, raw, err := im.unconverted.image.Convert(im.unconverted.known)
	if err != nil {
		return err
	}
	root := image.Describe(image.DockerManifest, raw)
	content := map[digest.Digest][]byte{root.Digest: raw, digest.FromBytes(config): config}
	made := &image.MemorySource{Content: content, Next: im.Source}
	g, err := image.Load(ctx, made, root, image.Selection{All: true})
	if err != nil {
		return err
	}
	im.Graph, im.Source, im.unconverted = g, made, nil
	return nil
}

// Convert gives an image in Docker's schema 1 a manifest and a configuration. It reads all layers where
// they are, and calls Options.Planned and Options.Progress. It does nothing to other images.
func (im *Image) Convert(ctx context.Context, opts Options) error {
	if im.unconverted == nil {
		return nil
	}
	if opts.Planned != nil {
		opts.Planned(im.Blobs)
	}
	do := func(ctx context.Context, j transfer.Job[wanted]) error {
		content, err := readLayer(ctx, j.Source, j.Blob, opts.report(j.Blob))
		im.unconverted.learn(j.Blob, content, err)
		return err
	}
	transfer.Run(ctx, im.jobs(), opts.Jobs, do, func(transfer.Job[wanted], error) {})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return im.convert(ctx)
}

// learn reads a blob that has arrived in dst if some of the images that have it need to know what it holds.
func learn(ctx context.Context, images []*Result, dst image.Source, d v1.Descriptor) {
	var waiting []*unconverted
	for _, r := range images {
		if r.Image.unconverted != nil {
			waiting = append(waiting, r.Image.unconverted)
		}
	}
	if len(waiting) == 0 {
		return
	}
	content, err := readLayer(ctx, dst, d, nil)
	for _, l := range waiting {
		l.learn(d, content, err)
	}
}

// convert makes the configuration of an image in schema 1, the only blob of the image that the registry
// does not have.
func (r *Result) convert(ctx context.Context, dst destination) error {
	if r.Image.unconverted == nil {
		return nil
	}
	if err := r.Image.convert(ctx); err != nil {
		return err
	}
	return dst.Push(ctx, *r.Image.Manifests[0].Document.Config, r.Image.Source, nil)
}
