package dockerarchive

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/unpack"
)

// Image is the saved image as one that can be written again. It has a manifest of its own, in which layers
// stand as they are stored. Image reads those that are stored compressed once, to learn their digests. Layers
// in bzip2 and xz, which have no media type, are unpacked. The image can be used as long as its archive.
func (s SavedImage) Image(ctx context.Context) (*image.Image, error) {
	m := v1.Manifest{
		MediaType: v1.MediaTypeImageManifest,
		Config:    image.Describe(v1.MediaTypeImageConfig, s.Config),
		Layers:    []v1.Descriptor{},
	}
	m.SchemaVersion = 2
	layers := savedSource{}
	for _, l := range s.Layers {
		d, err := l.describe(ctx)
		if err != nil {
			return nil, fmt.Errorf("layer %q: %w", l.Path, err)
		}
		layers[d.Digest] = l
		m.Layers = append(m.Layers, d)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	root := image.Describe(v1.MediaTypeImageManifest, raw)
	content := map[digest.Digest][]byte{root.Digest: raw, m.Config.Digest: s.Config}
	src := image.MemorySource{Content: content, Next: layers}
	im, err := image.Open(ctx, src, root, image.Selection{All: true})
	if err != nil {
		return nil, err
	}
	im.Names, im.Uncompressed = s.Names, true
	return im, nil
}

// describe returns the descriptor of the layer as it is stored.
func (l SavedLayer) describe(ctx context.Context) (v1.Descriptor, error) {
	kind, err := l.Compression()
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: l.DiffID, Size: l.Size()}
	switch kind {
	case compression.None:
		return d, nil
	case compression.Gzip:
		d.MediaType = v1.MediaTypeImageLayerGzip
	case compression.Zstd:
		d.MediaType = v1.MediaTypeImageLayerZstd
	default:
		d.Size, err = l.unpackedSize(ctx)
		return d, err
	}
	sum, err := l.content.SHA256(ctx)
	d.Digest = digest.NewDigestFromBytes(digest.SHA256, sum[:])
	return d, err
}

// savedSource gives out the layers of a saved image. It is no [image.ParallelSource]: every range of a layer
// in xz would be reached from the beginning.
type savedSource map[digest.Digest]SavedLayer

// Open implements [image.Source].
func (s savedSource) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	l, ok := s[d.Digest]
	if !ok {
		return nil, fmt.Errorf("%s: not here", d.Digest)
	}
	kind, err := l.Compression()
	if err != nil {
		return nil, err
	}
	if kind == compression.Bzip2 || kind == compression.Xz {
		return l.unpacked(ctx, offset, length)
	}
	return io.NopCloser(image.Section(l.Open(), l.Size(), offset, length)), nil
}

// unpacked is a part of what a compressed layer holds.
func (l SavedLayer) unpacked(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	plain, err := unpack.NewReader(ctx, l.Open())
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, plain, offset); err != nil {
		plain.Close()
		return nil, err
	}
	if length == image.ToEnd {
		return plain, nil
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(plain, length), plain}, nil
}

// unpackedSize reads a compressed layer, which must be what its diff ID says.
func (l SavedLayer) unpackedSize(ctx context.Context) (int64, error) {
	layer, err := unpack.Sum(ctx, l.Open(), l.DiffID.Algorithm(), nil)
	if err != nil {
		return 0, err
	}
	return layer.Size, unpack.CheckDiffID(layer.DiffID, l.DiffID)
}
