//go:build linux

package bench

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// packed is a layer in the layout.
type packed struct {
	desc   v1.Descriptor
	diffID digest.Digest
}

// pack compresses a layer as Docker does, with Go's gzip at its default level.
func (d *dataset) pack(ctx context.Context, next func() (entry, bool), size int64) (packed, error) {
	return d.packTar(func(w io.Writer) error { return writeLayer(ctx, w, next, size) })
}

func (d *dataset) packTar(write func(io.Writer) error) (_ packed, err error) {
	f, err := os.CreateTemp(d.dir, "layer-")
	if err != nil {
		return packed{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	outside, inside := digest.Canonical.Digester(), digest.Canonical.Digester()
	buffered := bufio.NewWriterSize(f, 1<<20)
	zw := gzip.NewWriter(io.MultiWriter(buffered, outside.Hash()))
	if err := write(io.MultiWriter(zw, inside.Hash())); err != nil {
		return packed{}, err
	}
	if err := errors.Join(zw.Close(), buffered.Flush()); err != nil {
		return packed{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return packed{}, err
	}
	layer := packed{v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: outside.Digest(),
		Size: info.Size()}, inside.Digest()}
	return layer, os.Rename(f.Name(), d.blob(layer.desc.Digest.Encoded()))
}

// addImage writes configuration and manifest of an image into the layout.
func (d *dataset) addImage(name string, of []int, layers []packed) (image, error) {
	img := image{Name: name}
	for _, i := range of {
		img.Layers = append(img.Layers, layers[i].desc)
		img.DiffIDs = append(img.DiffIDs, layers[i].diffID)
	}
	config, err := json.Marshal(v1.Image{
		Created:  &created,
		Platform: v1.Platform{OS: "linux", Architecture: runtime.GOARCH},
		Config:   v1.ImageConfig{Cmd: []string{"/bin/true"}},
		RootFS:   v1.RootFS{Type: "layers", DiffIDs: img.DiffIDs},
	})
	if err != nil {
		return img, err
	}
	if img.Config, err = d.addBlob(v1.MediaTypeImageConfig, config); err != nil {
		return img, err
	}
	img.Raw, err = json.Marshal(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
		Config:    img.Config,
		Layers:    img.Layers,
	})
	if err != nil {
		return img, err
	}
	img.Manifest, err = d.addBlob(v1.MediaTypeImageManifest, img.Raw)
	return img, err
}

func (d *dataset) addBlob(mediaType string, raw []byte) (v1.Descriptor, error) {
	desc := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	return desc, os.WriteFile(d.blob(desc.Digest.Encoded()), raw, 0o600)
}

// writeIndex makes the blobs a layout, with the annotations that docker, skopeo and regctl look for.
func (d *dataset) writeIndex() error {
	if err := os.WriteFile(filepath.Join(d.layout(), v1.ImageLayoutFile), layoutMarker, 0o600); err != nil {
		return err
	}
	raw, err := indexOf(d.Images)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.layout(), v1.ImageIndexFile), raw, 0o600)
}

var layoutMarker = []byte(`{"imageLayoutVersion":"1.0.0"}`)

func indexOf(images []image) ([]byte, error) {
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	for _, img := range images {
		_, tag := splitName(img.Name)
		desc := img.Manifest
		desc.Platform = &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
		desc.Annotations = map[string]string{
			v1.AnnotationRefName:       tag,
			"io.containerd.image.name": "docker.io/" + img.Name,
		}
		index.Manifests = append(index.Manifests, desc)
	}
	return json.Marshal(index)
}

// splitName splits repository:tag.
func splitName(name string) (repository, tag string) {
	repository, tag, _ = strings.Cut(name, ":")
	return repository, tag
}
