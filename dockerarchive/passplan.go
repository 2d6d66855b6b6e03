package dockerarchive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"drayage/image"
)

// ErrOrder is wrapped by errors that say why an archive cannot be read in one pass.
var ErrOrder = errors.New("the order of the tar does not allow one pass")

// Plan finds out from what the stream begins with what images there are. An error that wraps [ErrOrder] says why that
// cannot be told yet.
func (p *Pass) Plan(ctx context.Context) (*Contents, error) {
	first := p.reader.entries
	p.plan = &Reader{r: p.tape, size: p.reader.size, entries: first.fork(), equal: map[string]bool{}}
	p.reader.entries = first.fork()
	contents, err := p.predict(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err == nil {
		p.planned, err = contents.images()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrOrder, err)
	}
	return contents, nil
}

// predict enters what is still to come as if it had come, and asks for the images.
func (p *Pass) predict(ctx context.Context) (*Contents, error) {
	a := p.plan
	isLayout := a.isLayout()
	if !isLayout && !a.has("manifest.json") {
		return nil, errors.New("its layers stand before the files that describe them")
	}
	items, err := a.items()
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		if !a.has(clean(item.Config)) {
			return nil, fmt.Errorf("configuration %q stands behind a layer", item.Config)
		}
		for _, l := range item.Layers {
			p.await(clean(l), 0)
		}
	}
	if isLayout {
		if err := p.awaitBlobs(ctx); err != nil {
			return nil, err
		}
	}
	contents, err := a.Contents(ctx)
	if err != nil {
		return nil, err
	}
	return contents, p.follow(contents.Saved)
}

// awaitBlobs enters what the manifests of a layout refer to. All of these have to be there.
func (p *Pass) awaitBlobs(ctx context.Context) error {
	l, err := p.plan.layout()
	if err != nil {
		return err
	}
	images, err := l.Images()
	if err != nil {
		return err
	}
	for _, im := range images {
		g, err := image.Load(ctx, l, im.Descriptor, image.Selection{All: true})
		if err != nil {
			return err
		}
		for _, d := range g.Blobs {
			if image.IsForeign(d.MediaType) && !p.plan.hasBlob(d.Digest) {
				return fmt.Errorf("foreign layer %s may come or not", d.Digest)
			}
			p.await(ociPath(d.Digest), d.Size)
		}
	}
	return nil
}

// await enters a file that has not come yet. Nothing can be read of it.
func (p *Pass) await(name string, size int64) {
	if !p.plan.has(name) {
		p.plan.entries.add(name, span{offset: -1, size: size, kind: tar.TypeReg})
		p.awaited[name] = true
	}
}

// follow notes the layers that have to be told when their content comes.
func (p *Pass) follow(images []SavedImage) error {
	for _, im := range images {
		for _, l := range im.Layers {
			if l.content.offset >= 0 {
				continue
			}
			if !p.awaited[l.Path] {
				return fmt.Errorf("layer %q is a link to a file behind it", l.Path)
			}
			p.layers[l.Path] = append(p.layers[l.Path], l.content)
		}
	}
	return nil
}

// images lists what there is: for comparing two archives.
func (c *Contents) images() ([]string, error) {
	var all []string
	for _, im := range c.Saved {
		all = append(all, fmt.Sprintf("%s %q", im.ID, im.Names))
		for _, l := range im.Layers {
			all = append(all, fmt.Sprintf("%s %q", l.DiffID, l.Path))
		}
	}
	if c.Layout == nil {
		return all, nil
	}
	images, err := c.Layout.Images()
	for _, im := range images {
		all = append(all, fmt.Sprintf("%s %q %q %s", im.Descriptor.Digest, im.Name, im.Ref, im.Subject))
	}
	return all, err
}

// sumOf is the SHA-256 of a file that has gone by in a stream.
func (s *stored) sumOf() (digest.Digest, bool) {
	t, ok := s.a.r.(*tape)
	if !ok || s.sparse {
		return "", false
	}
	sum, err := t.sum(s.span)
	return digest.NewDigestFromBytes(digest.SHA256, sum[:]), err == nil
}
