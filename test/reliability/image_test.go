//go:build linux

package reliability

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"runtime"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/imagetest"
)

// image is an image in memory whose layers hardly compress.
type image struct {
	desc     v1.Descriptor
	manifest []byte
	config   []byte
	layers   [][]byte // as they are stored, gzipped
	tars     [][]byte // as they unpack
}

// newImage makes an image with layers of about the given sizes, or of the usual ones. One name gives the same
// bytes each time.
func newImage(name string, sizes ...int) *image {
	if len(sizes) == 0 {
		sizes = []int{3 << 20, 300 << 10, 20 << 10}
	}
	img := &image{}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	config := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: runtime.GOARCH},
		RootFS: v1.RootFS{Type: "layers"}}
	for i, size := range sizes {
		content := make([]byte, size)
		rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%s %d", name, i))).Read(content)
		plain := imagetest.Pack(imagetest.Entry{Name: fmt.Sprintf("file%d", i), Body: string(content)})
		packed := zip(plain)
		img.layers, img.tars = append(img.layers, packed), append(img.tars, plain)
		m.Layers = append(m.Layers, describe(v1.MediaTypeImageLayerGzip, packed))
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, digest.FromBytes(plain))
	}
	img.config = imagetest.Encode(config)
	m.Config = describe(v1.MediaTypeImageConfig, img.config)
	img.manifest = imagetest.Encode(m)
	img.desc = describe(v1.MediaTypeImageManifest, img.manifest)
	return img
}

func (img *image) blobs() [][]byte { return append([][]byte{img.config}, img.layers...) }

func (img *image) configDigest() digest.Digest { return digest.FromBytes(img.config) }

// layer is the digest of a layer as it is stored.
func (img *image) layer(i int) digest.Digest { return digest.FromBytes(img.layers[i]) }

// weight is what a fetch has to transfer of blobs.
func (img *image) weight() (n int64) {
	for _, blob := range img.blobs() {
		n += int64(len(blob))
	}
	return n
}

// saved is the image as a docker tar.
func (img *image) saved(tag string) []byte {
	return imagetest.Pack(imagetest.Entries(imagetest.Saved{
		Config: img.config, Names: []string{tag}, Layers: img.tars,
	})...)
}

// savedImage is an entry of manifest.json in a tar of docker save.
type savedImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func zip(content []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	must(err)
	_, err = w.Write(content)
	must(err)
	must(w.Close())
	return b.Bytes()
}

func describe(mediaType string, raw []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
}

// must is for what can fail only by a mistake in a test.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
