package shelf

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/source"
	"drayage/serve"
)

// saved makes a shelf of the images of a docker tar, whose manifests are made here: the same ones at every
// start. It is nil if there are none.
func (p *place) saved(ctx context.Context, packing *Packing) (*serve.Shelf, error) {
	content := &made{documents: map[digest.Digest][]byte{}, layers: map[digest.Digest]layer{}}
	shelf := &serve.Shelf{Content: content}
	for _, im := range p.set.Images {
		if im.Saved == nil {
			continue
		}
		root, err := content.add(ctx, im, packing)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", im.Label, err)
		}
		shelf.Images = append(shelf.Images, serve.Image{Root: root, Names: im.Saved.Names})
	}
	if len(shelf.Images) == 0 {
		return nil, nil
	}
	return shelf, nil
}

// made is what images of docker tars consist of: documents that were made for them, their configurations, and
// layers as they are stored.
type made struct {
	documents map[digest.Digest][]byte
	layers    map[digest.Digest]layer
}

type layer struct {
	image.Source
	size int64
}

// add adds an image and returns what its manifest is.
func (m *made) add(ctx context.Context, im *source.Image, packing *Packing) (v1.Descriptor, error) {
	if packing != nil {
		return packing.add(ctx, m, im.Saved)
	}
	loaded, err := im.Saved.Image(ctx)
	if err != nil {
		return v1.Descriptor{}, err
	}
	manifest := loaded.RootNode()
	m.documents[loaded.Root.Digest] = manifest.Raw
	m.documents[manifest.Document.Config.Digest] = im.Saved.Config
	for _, d := range manifest.Document.Layers {
		if _, known := m.layers[d.Digest]; !known {
			m.layers[d.Digest] = layer{loaded.Source, d.Size}
		}
	}
	return loaded.Root, nil
}

// Open implements [image.Source].
func (m *made) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if raw, ok := m.documents[d.Digest]; ok {
		return io.NopCloser(image.Section(bytes.NewReader(raw), int64(len(raw)), offset, length)), nil
	}
	if l, ok := m.layers[d.Digest]; ok {
		return l.Open(ctx, d, offset, length)
	}
	return nil, notHere(d.Digest)
}

// Stat implements [serve.Content].
func (m *made) Stat(d digest.Digest) (v1.Descriptor, error) {
	desc := v1.Descriptor{MediaType: "application/octet-stream", Digest: d}
	if raw, ok := m.documents[d]; ok {
		desc.Size = int64(len(raw))
		return desc, nil
	}
	if l, ok := m.layers[d]; ok {
		desc.Size = l.size
		return desc, nil
	}
	return v1.Descriptor{}, notHere(d)
}
