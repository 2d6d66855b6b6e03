// Package imagetest makes images for tests. An [Image] says in a few words what an image is made of.
// Image.Put stores it, in a [Store] in memory or in whatever else takes blobs. [Entries] are the entries of a
// docker tar, and [Pack] makes a tar of entries.
//
// What cannot fail but by a mistake in a test panics.
package imagetest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// Image is an image for one platform.
type Image struct {
	Config   v1.Image    // what the configuration says besides the diff IDs and what follows
	Platform v1.Platform // the zero value means that of Config, or linux/amd64
	Labels   map[string]string
	Layers   []Layer
	Docker   bool // Docker's media types and not OCI's
}

// Layer is a layer as it is stored.
type Layer struct {
	Content   []byte
	MediaType string // empty means gzip, in the family of the image's types
	DiffID    digest.Digest
	URLs      []string // where it is instead of with the image
}

// GzipLayer makes a layer of a tar.
func GzipLayer(content []byte) Layer {
	return Layer{Content: Gzip(content), DiffID: digest.FromBytes(content)}
}

// ZstdLayer makes a layer of a tar.
func ZstdLayer(content []byte) Layer {
	return Layer{Content: Zstd(content), MediaType: v1.MediaTypeImageLayerZstd,
		DiffID: digest.FromBytes(content)}
}

// PlainLayer makes a layer that is stored uncompressed.
func PlainLayer(content []byte) Layer {
	return Layer{Content: content, MediaType: v1.MediaTypeImageLayer, DiffID: digest.FromBytes(content)}
}

// Put gives the layers, the configuration and the manifest of the image to put, in this order. It returns the
// descriptor of the manifest with the platform.
func (im Image) Put(put func(mediaType string, raw []byte) v1.Descriptor) v1.Descriptor {
	m := Manifest(v1.Descriptor{})
	configType, layerType := v1.MediaTypeImageConfig, v1.MediaTypeImageLayerGzip
	if im.Docker {
		m.MediaType, configType, layerType = image.DockerManifest, image.DockerConfig, image.DockerLayer
	}
	for _, l := range im.Layers {
		if l.MediaType == "" {
			l.MediaType = layerType
		}
		d := image.Describe(l.MediaType, l.Content)
		if d.URLs = l.URLs; len(l.URLs) == 0 {
			put(d.MediaType, l.Content)
		}
		m.Layers = append(m.Layers, d)
	}
	config := im.config()
	put(configType, Encode(config))
	m.Config = image.Describe(configType, Encode(config))
	d := put(m.MediaType, Encode(m))
	d.Platform = &config.Platform
	return d
}

func (im Image) config() v1.Image {
	c := im.Config
	if im.Platform.OS != "" {
		c.Platform = im.Platform
	}
	if c.OS == "" {
		c.OS, c.Architecture = "linux", "amd64"
	}
	if im.Labels != nil {
		c.Config.Labels = im.Labels
	}
	c.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	for _, l := range im.Layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.DiffID)
	}
	return c
}

// Manifest makes an OCI manifest.
func Manifest(config v1.Descriptor, layers ...v1.Descriptor) v1.Manifest {
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: config, Layers: []v1.Descriptor{}}
	m.Layers = append(m.Layers, layers...)
	m.SchemaVersion = 2
	return m
}

// Index makes an index of manifests or other indexes, or with docker a manifest list.
func Index(docker bool, children ...v1.Descriptor) (mediaType string, raw []byte) {
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: append([]v1.Descriptor{}, children...)}
	if docker {
		ix.MediaType = image.DockerManifestList
	}
	ix.SchemaVersion = 2
	return ix.MediaType, Encode(ix)
}

// Store holds content in memory.
type Store struct{ *image.MemorySource }

// NewStore returns an empty store.
func NewStore() Store { return Store{&image.MemorySource{Content: map[digest.Digest][]byte{}}} }

// Put stores content and describes it.
func (s Store) Put(mediaType string, raw []byte) v1.Descriptor {
	d := image.Describe(mediaType, raw)
	s.Content[d.Digest] = raw
	return d
}

// PutJSON stores v as JSON.
func (s Store) PutJSON(mediaType string, v any) v1.Descriptor { return s.Put(mediaType, Encode(v)) }

// Gzip compresses in one member.
func Gzip(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(content)
	must(err)
	must(w.Close())
	return b.Bytes()
}

// Zstd compresses in one frame.
func Zstd(content []byte) []byte {
	w, err := zstd.NewWriter(nil)
	must(err)
	defer w.Close()
	return w.EncodeAll(content, nil)
}

// Encode returns v as JSON.
func Encode(v any) []byte {
	raw, err := json.Marshal(v)
	must(err)
	return raw
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
