package dockerarchive

import (
	"context"
	"errors"
	"fmt"

	"drayage/image"
	"drayage/internal/tarfs"
)

// ErrOrder is wrapped by errors that say why an archive cannot be read in one pass.
var ErrOrder = errors.New("the order of the tar does not allow one pass")

// Plan finds out from what the stream begins with what images there are. An error that wraps [ErrOrder] says
// why that cannot be told yet.
func (p *Pass) Plan(ctx context.Context) (*Contents, error) {
	p.plan = &Reader{p.stream.Plan()}
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
	if !isLayout && !a.tar.Has("manifest.json") {
		return nil, errors.New("its layers stand before the files that describe them")
	}
	items, err := a.items()
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		if !a.tar.Has(tarfs.Clean(item.Config)) {
			return nil, fmt.Errorf("configuration %q stands behind a layer", item.Config)
		}
		for _, l := range item.Layers {
			p.stream.Expect(tarfs.Clean(l), 0)
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
	return contents, p.checkLinks(contents.Saved)
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
			p.stream.Expect(ociPath(d.Digest), d.Size)
		}
	}
	return nil
}

// checkLinks refuses layers that are links to a file that is still to come.
func (p *Pass) checkLinks(images []SavedImage) error {
	for _, im := range images {
		for _, l := range im.Layers {
			if l.content.Entry().Offset < 0 && !p.Awaits(l.Path) {
				return fmt.Errorf("layer %q is a link to a file behind it", l.Path)
			}
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
