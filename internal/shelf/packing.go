package shelf

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/layercache"
	"drayage/internal/spool"
	"drayage/upload"
)

// Packing compresses the layers of docker tars, each one once for all runs. It keeps them in a folder, which
// may be deleted while nobody serves from it.
type Packing struct {
	Compression upload.Compression
	Dir         string

	// Note is told, before it happens, that a layer of size bytes is compressed.
	Note func(diffID digest.Digest, size int64)

	used map[string]bool // files
}

// DefaultDir is drayage's place for compressed layers in the user's cache directory, or empty if there is
// none.
func DefaultDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(base, "drayage", "served")
}

// add adds an image of a docker tar, with the manifest that a push of it would make.
func (p *Packing) add(ctx context.Context, m *made, saved *dockerarchive.SavedImage) (v1.Descriptor, error) {
	loaded, err := saved.Image(ctx)
	if err != nil {
		return v1.Descriptor{}, err
	}
	var layers []v1.Descriptor
	for i, d := range loaded.RootNode().Document.Layers {
		var src image.Source = loaded.Source
		switch d.MediaType {
		case v1.MediaTypeImageLayer:
			if d, src, err = p.layer(ctx, loaded.Source, d); err != nil {
				return v1.Descriptor{}, fmt.Errorf("layer %q: %w", saved.Layers[i].Path, err)
			}
		case v1.MediaTypeImageLayerGzip:
			d.MediaType = image.DockerLayer
		}
		layers = append(layers, d)
		if _, known := m.layers[d.Digest]; !known {
			m.layers[d.Digest] = layer{src, d.Size}
		}
	}
	raw, mediaType, err := upload.SavedManifest(saved.Config, layers)
	if err != nil {
		return v1.Descriptor{}, err
	}
	root := image.Describe(mediaType, raw)
	m.documents[root.Digest] = raw
	m.documents[digest.FromBytes(saved.Config)] = saved.Config
	return root, nil
}

// layer compresses a layer, or finds it in the folder.
func (p *Packing) layer(
	ctx context.Context, src image.Source, plain v1.Descriptor,
) (v1.Descriptor, image.Source, error) {
	file := filepath.Join(p.Dir, p.name(plain.Digest))
	cache := layercache.Open(p.Dir, p.Compression.Method())
	if d, known := cache.Lookup(plain.Digest); known {
		if fi, err := os.Stat(file); err == nil && fi.Mode().IsRegular() && fi.Size() == d.Size {
			p.use(file)
			return d, packed(file), nil
		}
	}
	p.Note(plain.Digest, plain.Size)
	d, err := p.compress(ctx, src, plain)
	if err != nil {
		return d, nil, err
	}
	cache.Store(plain.Digest, d)
	p.use(file)
	return d, packed(file), nil
}

// name is that of the file of a layer.
func (p *Packing) name(diffID digest.Digest) string {
	return diffID.Algorithm().String() + "-" + diffID.Encoded() + "." + p.Compression.Method() + blobSuffix
}

const (
	blobSuffix = ".blob"
	tmpSuffix  = ".tmp"
)

// compress writes the file of a layer. The file appears when it is whole and on disk, and the layer is what
// its diff ID says.
func (p *Packing) compress(
	ctx context.Context, src image.Source, plain v1.Descriptor,
) (d v1.Descriptor, err error) {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return d, err
	}
	if err := spool.Room(p.Dir, 0); err != nil {
		return d, err
	}
	root, err := os.OpenRoot(p.Dir)
	if err != nil {
		return d, err
	}
	defer root.Close()
	f, tmp, err := durable.OpenOwn(root, p.name(plain.Digest)+tmpSuffix, 0o600)
	if err != nil {
		return d, err
	}
	d, err = p.pack(ctx, f, src, plain)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = durable.Replace(root, tmp, p.name(plain.Digest))
	}
	if err != nil {
		root.Remove(tmp)
	}
	return d, err
}

// pack compresses a layer into w, and says what came out.
func (p *Packing) pack(
	ctx context.Context, w io.Writer, src image.Source, plain v1.Descriptor,
) (d v1.Descriptor, err error) {
	h, n := sha256.New(), &counter{w: w}
	z, err := p.Compression.NewWriter(io.MultiWriter(n, h))
	if err != nil {
		return d, err
	}
	r := image.NewReader(ctx, src, plain)
	_, err = io.CopyBuffer(struct{ io.Writer }{z}, r, make([]byte, 256<<10))
	if err = errors.Join(err, z.Close(), r.Close()); err != nil {
		return d, err
	}
	sum := digest.NewDigest(digest.SHA256, h)
	return v1.Descriptor{MediaType: p.Compression.MediaType(), Digest: sum, Size: n.n}, nil
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// packed is the file of a compressed layer.
type packed string

// Open implements [image.Source].
func (p packed) Open(_ context.Context, _ v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	f, err := os.Open(string(p))
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{image.Section(f, fi.Size(), offset, length), f}, nil
}
