package fakeregistry

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Docker's media types, besides those of OCI.
const (
	dockerList   = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerImage  = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig = "application/vnd.docker.container.image.v1+json"
	dockerLayer  = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// Image is an image to be put into a registry.
type Image struct {
	Platform v1.Platform // the zero value means linux/amd64
	Layers   []Layer
	Docker   bool              // Docker's media types and not OCI's
	Labels   map[string]string // of the configuration
}

// Layer is a layer as it is stored.
type Layer struct {
	Content   []byte
	MediaType string // empty: that of a gzip layer in the family of the image
	DiffID    digest.Digest
	URLs      []string // where it is instead of in the registry
}

// Tar makes a tar of files, which is the same for the same files.
func Tar(files map[string]string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		must(w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Format: tar.FormatUSTAR}))
		_, err := w.Write([]byte(files[name]))
		must(err)
	}
	must(w.Close())
	return b.Bytes()
}

// GzipLayer makes a layer of a tar.
func GzipLayer(content []byte) Layer {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(content)
	must(err)
	must(w.Close())
	return Layer{Content: b.Bytes(), DiffID: digest.FromBytes(content)}
}

// ZstdLayer makes a layer of a tar.
func ZstdLayer(content []byte) Layer {
	w, err := zstd.NewWriter(nil)
	must(err)
	defer w.Close()
	return Layer{Content: w.EncodeAll(content, nil), MediaType: v1.MediaTypeImageLayerZstd, DiffID: digest.FromBytes(content)}
}

// PlainLayer makes a layer that is stored uncompressed.
func PlainLayer(content []byte) Layer {
	return Layer{Content: content, MediaType: v1.MediaTypeImageLayer, DiffID: digest.FromBytes(content)}
}

// PutImage stores an image with all that belongs to it, under a tag if that is not empty, and returns the
// descriptor of its manifest, which has the platform.
func (r *Registry) PutImage(name, tag string, im Image) v1.Descriptor {
	if im.Platform.OS == "" {
		im.Platform = v1.Platform{OS: "linux", Architecture: "amd64"}
	}
	config := v1.Image{Platform: im.Platform, Config: v1.ImageConfig{Labels: im.Labels}, RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}}
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Layers: []v1.Descriptor{}}
	m.SchemaVersion = 2
	configType, layerType := v1.MediaTypeImageConfig, v1.MediaTypeImageLayerGzip
	if im.Docker {
		m.MediaType, configType, layerType = dockerImage, dockerConfig, dockerLayer
	}
	for _, l := range im.Layers {
		d := v1.Descriptor{Digest: digest.FromBytes(l.Content), Size: int64(len(l.Content)), URLs: l.URLs}
		if len(l.URLs) == 0 {
			d = r.PutBlob(name, l.Content)
		}
		if d.MediaType = l.MediaType; d.MediaType == "" {
			d.MediaType = layerType
		}
		m.Layers = append(m.Layers, d)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.DiffID)
	}
	m.Config = r.PutBlob(name, encode(config))
	m.Config.MediaType = configType
	d := r.PutManifest(name, tag, m.MediaType, encode(m))
	d.Platform = &im.Platform
	return d
}

// PutIndex stores an index of manifests or other indexes, and returns its descriptor.
func (r *Registry) PutIndex(name, tag string, docker bool, children ...v1.Descriptor) v1.Descriptor {
	ix := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: append([]v1.Descriptor{}, children...)}
	if docker {
		ix.MediaType = dockerList
	}
	ix.SchemaVersion = 2
	return r.PutManifest(name, tag, ix.MediaType, encode(ix))
}

// PutManifest stores the bytes of a manifest, whatever they are, and returns their descriptor.
func (r *Registry) PutManifest(name, tag, mediaType string, raw []byte) v1.Descriptor {
	d := digest.FromBytes(raw)
	r.store(name, tag, mediaType, d, raw)
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(raw))}
}

// PutBlob stores a blob and returns its descriptor.
func (r *Registry) PutBlob(name string, content []byte) v1.Descriptor {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := digest.FromBytes(content)
	r.repo(name).blobs[d] = content
	return v1.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: int64(len(content))}
}

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	must(err)
	return raw
}

// must is for what can fail only by a mistake in a test.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
