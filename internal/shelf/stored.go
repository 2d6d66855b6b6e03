package shelf

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/kind"
	"drayage/internal/source"
	"drayage/layout"
	"drayage/serve"
)

// stored makes a shelf of the images that travel byte for byte, in a directory or an archive. It is nil if
// there are none.
func (p *place) stored(ctx context.Context) (*serve.Shelf, error) {
	if p.set.Layout == nil {
		return nil, nil
	}
	shelf := &serve.Shelf{}
	add := func(e layout.Image) {
		shelf.Images = append(shelf.Images, serve.Image{Root: e.Descriptor, Subject: e.Subject, Tag: e.Tag})
	}
	content := contentOf(p.set.Layout)
	p.blobs = content
	if shelf.Content = content; p.set.Spec.Name != "" {
		chosen, err := p.chosen(ctx, content, add)
		if err != nil {
			return nil, err
		}
		shelf.Content = chosen
	}
	for _, im := range p.set.Images {
		if im.Saved != nil {
			continue
		}
		root, _, err := im.Root(ctx)
		if err != nil {
			return nil, err
		}
		one := serve.Image{Root: root, Names: im.Names, Tag: im.Tag, Subject: im.Subject}
		shelf.Images = append(shelf.Images, one)
		p.lack(im.Label, im.NotHere)
	}
	return shelf, nil
}

// lack notes what was left out of an image.
func (p *place) lack(label string, absent []image.Absent) {
	l := lack{label: label}
	for _, a := range absent {
		if a.Reason == image.LeftOut {
			l.absent = append(l.absent, a)
		}
	}
	if l.absent != nil {
		p.lacks = append(p.lacks, l)
	}
}

// contentOf are the blobs of a layout without what it lists.
func contentOf(l *layout.Layout) serve.Content {
	if content, ok := l.Content().(serve.Content); ok {
		return content
	}
	return l
}

// chosen is the content of the one image that SOURCE names, and of what belongs to it. It calls add for what
// belongs to it. Nobody gets another image of the layout who knows its digest.
func (p *place) chosen(
	ctx context.Context, all serve.Content, add func(layout.Image),
) (serve.Content, error) {
	only := only{Content: all, has: map[digest.Digest]bool{}}
	for _, im := range p.set.Images {
		if im.Saved != nil {
			continue
		}
		loaded, err := im.Load(ctx, image.Selection{All: true})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", im.Label, err)
		}
		if loaded.Referrers, err = im.Referrers(ctx, loaded); err != nil {
			return nil, fmt.Errorf("%s: %w", im.Label, err)
		}
		for _, part := range append([]*image.Image{loaded}, loaded.Referrers...) {
			for i := range part.Manifests {
				only.has[part.Manifests[i].Descriptor.Digest] = true
			}
			for _, d := range part.Blobs {
				only.has[d.Digest] = true
			}
		}
		p.belonging(im, loaded, add)
	}
	return only, nil
}

// belonging calls add for each referrer of an image that its layout lists.
func (p *place) belonging(im *source.Image, loaded *image.Image, add func(layout.Image)) {
	for _, part := range append([]*image.Image{loaded}, loaded.Referrers...) {
		for i := range part.Manifests {
			for _, e := range p.set.Referring(part.Manifests[i].Descriptor.Digest) {
				add(e)
			}
		}
	}
}

// only is a part of what a layout has.
type only struct {
	serve.Content
	has map[digest.Digest]bool
}

func (o only) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if !o.has[d.Digest] {
		return nil, notHere(d.Digest)
	}
	return o.Content.Open(ctx, d, offset, length)
}

func (o only) Stat(d digest.Digest) (v1.Descriptor, error) {
	if !o.has[d] {
		return v1.Descriptor{}, notHere(d)
	}
	return o.Content.Stat(d)
}

func notHere(d digest.Digest) error { return kind.Errorf(fs.ErrNotExist, "%s: not here", d) }
