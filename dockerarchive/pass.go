package dockerarchive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/tarfs"
	"drayage/layout"
)

// ErrOrder is wrapped by errors that say why an archive cannot be read in one pass.
var ErrOrder = errors.New("the order of the tar does not allow one pass")

// Pass reads an archive from a stream in one go. [NewPass] holds what it begins with, up to the first large
// file. [Pass.Whole] is the archive if everything has come by then. Otherwise [Pass.Plan] says what images
// there are, and [Pass.Next] goes through the files that they need. Instead of that, [Pass.Rest] gives all of
// the stream, to be copied to where it can be read at any place. Memory is bounded. A Pass is for one
// goroutine. Another one may read the file that Next has come to.
type Pass struct {
	stream  *tarfs.Stream
	whole   *Reader
	plan    *Reader // what has come, and what is expected
	planned []string
}

// NewPass reads the beginning of the uncompressed archive in r.
func NewPass(ctx context.Context, r io.Reader) (*Pass, error) {
	stream, err := tarfs.NewStream(ctx, r)
	if err != nil {
		return nil, tarError(err)
	}
	p := &Pass{stream: stream}
	if stream.Whole() {
		p.whole, err = newReader(stream.Index(), nil)
	}
	return p, err
}

// Whole returns the archive if it is so small that all of it is held, or nil.
func (p *Pass) Whole() *Reader { return p.whole }

// Rest returns the stream from its beginning, with what has been read already. Nothing else may be called
// after it, nor may it be called after a Plan that has succeeded.
func (p *Pass) Rest() io.Reader { return p.stream.Rest() }

// Awaits reports whether a file with that name is still to come. Names are those of SavedLayer.Path; a blob
// is at blobs/ALGORITHM/HEX.
func (p *Pass) Awaits(name string) bool { return p.stream.Awaits(name) }

// Next goes on to the next file that the planned images need and returns its name. The file can be read then,
// once and forwards, until Next is called again. Only as long as it is short can it be read from the
// beginning again. The error is io.EOF when the whole archive has gone by and is what Plan made of its
// beginning. Until then nothing may rely on it.
func (p *Pass) Next(ctx context.Context) (string, error) {
	name, err := p.stream.Next(ctx)
	if err == io.EOF {
		err = cmp.Or(p.confirm(ctx), err)
	}
	return name, err
}

func (p *Pass) confirm(ctx context.Context) error {
	whole, err := newReader(p.stream.Index(), nil)
	if err != nil {
		return err
	}
	contents, err := whole.Contents(ctx)
	if err != nil {
		return err
	}
	images, err := contents.images()
	if err == nil && !slices.Equal(images, p.planned) {
		err = errors.New("what stands at the end of the archive changes what its images are: give it as a file")
	}
	return err
}

// Plan finds out from what the stream begins with what images there are. An error that wraps [ErrOrder] says
// why that cannot be told yet.
func (p *Pass) Plan(ctx context.Context) (*Contents, error) {
	p.plan = &Reader{tar: p.stream.Plan()}
	contents, err := p.predict(ctx)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, ErrLeftOut):
		return nil, err
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
	if thin, err := a.thinDocker(); err != nil || thin != nil {
		return nil, cmp.Or(err, thin.refuse())
	}
	items, err := a.items()
	if err != nil {
		return nil, err
	}
	if err := p.expect(ctx, items, isLayout); err != nil {
		return nil, err
	}
	contents, err := a.Contents(ctx)
	if err != nil {
		return nil, err
	}
	return contents, p.checkLinks(contents.Saved)
}

// expect enters all files that are still to come.
func (p *Pass) expect(ctx context.Context, items []manifestItem, isLayout bool) (err error) {
	var l *layout.Layout
	var never map[string]bool // paths of blobs that were left out
	if isLayout {
		if l, err = p.plan.layout(); err == nil {
			never, err = p.leftOut(ctx, l)
		}
		if err != nil {
			return err
		}
	}
	for _, item := range items {
		if !p.plan.tar.Has(tarfs.Clean(item.Config)) {
			return fmt.Errorf("configuration %q stands behind a layer", item.Config)
		}
		for _, l := range item.Layers {
			if !never[tarfs.Clean(l)] {
				p.stream.Expect(tarfs.Clean(l), 0)
			}
		}
	}
	if l == nil {
		return nil
	}
	return p.awaitBlobs(ctx, l, never)
}

// leftOut lists the paths of blobs that the delta document says will not come.
func (p *Pass) leftOut(ctx context.Context, l *layout.Layout) (map[string]bool, error) {
	t, err := p.plan.thin(ctx, l)
	if err != nil || t == nil {
		return nil, err
	}
	if t.patched {
		return nil, errors.New("layers are rebuilt from patches")
	}
	never := map[string]bool{}
	for d := range t.absent {
		never[ociPath(d)] = true
	}
	return never, nil
}

// awaitBlobs enters what the manifests of a layout refer to. All of these have to be there, but for those
// that never come.
func (p *Pass) awaitBlobs(ctx context.Context, l *layout.Layout, never map[string]bool) error {
	images, err := l.Images()
	if err != nil {
		return err
	}
	seen := map[digest.Digest]bool{}
	for _, im := range images {
		if seen[im.Descriptor.Digest] {
			continue
		}
		seen[im.Descriptor.Digest] = true
		g, err := image.Load(ctx, l, im.Descriptor, image.Selection{All: true})
		if err != nil {
			return err
		}
		for _, d := range g.Blobs {
			if never[ociPath(d.Digest)] {
				continue
			}
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
