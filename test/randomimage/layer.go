package randomimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/wire"
)

// layer is a layer as it is stored, and what must come out of it.
type layer struct {
	content []byte
	suffix  string // of its media type
	diffID  digest.Digest
	foreign bool // engines may get it elsewhere
}

// layerBlob adds the blob of a layer. That of a foreign one has addresses.
func (g *generator) layerBlob(l layer, docker bool) v1.Descriptor {
	d := g.blob(l.mediaType(docker), l.content)
	if l.foreign {
		d.URLs = []string{"https://example.invalid/layer"}
	}
	return d
}

// newLayer makes a layer of a few files, or of none, and packs it in one of the ways that are around.
func (g *generator) newLayer() (layer, error) {
	plain, err := g.tarball()
	if err != nil {
		return layer{}, err
	}
	l := layer{content: plain, diffID: digest.FromBytes(plain)}
	switch g.rand.IntN(4) {
	case 0:
		return l, nil
	case 1:
		l.suffix = "zstd"
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return l, err
		}
		defer w.Close()
		l.content = w.EncodeAll(plain, nil)
	default:
		l.suffix = "gzip"
		l.content, err = g.zip(plain)
	}
	return l, err
}

// zip packs at any level, sometimes as two streams one behind the other.
func (g *generator) zip(plain []byte) ([]byte, error) {
	var b bytes.Buffer
	cut := len(plain)
	if g.oneIn(4) {
		cut /= 2
	}
	for _, part := range [][]byte{plain[:cut], plain[cut:]} {
		if len(part) == 0 && b.Len() > 0 {
			continue
		}
		w, err := gzip.NewWriterLevel(&b, g.rand.IntN(10))
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(part); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func (g *generator) tarball() ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range g.rand.IntN(4) {
		content := make([]byte, g.rand.IntN(30_000))
		for j := range content {
			content[j] = byte(g.rand.IntN(2 + g.rand.IntN(254)))
		}
		h := &tar.Header{Name: fmt.Sprintf("%s/%d", g.word(), i), Mode: 0o644, Size: int64(len(content)),
			ModTime: time.Unix(int64(g.rand.Uint32()), 0), Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// mediaType is what a family of types calls the layer.
func (l layer) mediaType(docker bool) string {
	base, sep := v1.MediaTypeImageLayer, "+"
	switch {
	case l.foreign && docker:
		base, sep = "application/vnd.docker.image.rootfs.foreign.diff.tar", "."
	case l.foreign:
		base = "application/vnd.oci.image.layer.nondistributable.v1.tar"
	case docker:
		base, sep = "application/vnd.docker.image.rootfs.diff.tar", "."
	}
	if l.suffix == "" {
		return base
	}
	if docker && !l.foreign && l.suffix == "gzip" {
		return wire.DockerLayer
	}
	return base + sep + l.suffix
}
