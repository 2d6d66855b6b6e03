package sample

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/wire"
)

// created is fixed so that the same input gives the same bytes.
var created = time.Date(2024, time.May, 4, 12, 0, 0, 0, time.UTC)

// mediaTypes of one family.
type mediaTypes struct{ index, manifest, config, layer string }

func (f Flavour) mediaTypes() mediaTypes {
	if f == Docker {
		return mediaTypes{wire.DockerList, wire.DockerManifest, wire.DockerConfig, wire.DockerLayer}
	}
	return mediaTypes{v1.MediaTypeImageIndex, v1.MediaTypeImageManifest, v1.MediaTypeImageConfig,
		v1.MediaTypeImageLayerGzip}
}

type layer struct {
	diffID digest.Digest
	gzip   []byte
}

// newLayer packs one regular file with fixed metadata.
func newLayer(name string, mode int64, content []byte) (layer, error) {
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	diffID := digest.Canonical.Digester()
	tw := tar.NewWriter(io.MultiWriter(zw, diffID.Hash()))
	header := &tar.Header{Name: name, Mode: mode, Size: int64(len(content)), ModTime: created,
		Format: tar.FormatUSTAR}
	if err := tw.WriteHeader(header); err != nil {
		return layer{}, err
	}
	if _, err := tw.Write(content); err != nil {
		return layer{}, err
	}
	if err := tw.Close(); err != nil {
		return layer{}, err
	}
	if err := zw.Close(); err != nil {
		return layer{}, err
	}
	return layer{diffID: diffID.Digest(), gzip: packed.Bytes()}, nil
}

// addPlatform adds layers, config and manifest of one platform and returns what an index says of it.
func (img *Image) addPlatform(opts Options, platform v1.Platform, program []byte) (v1.Descriptor, error) {
	binary, err := newLayer("hello", 0o755, program)
	if err != nil {
		return v1.Descriptor{}, err
	}
	text, err := newLayer("carried-by.txt", 0o644, []byte(opts.Text))
	if err != nil {
		return v1.Descriptor{}, err
	}
	diffIDs := []digest.Digest{binary.diffID, text.diffID}
	config, err := json.Marshal(newConfig(platform, diffIDs))
	if err != nil {
		return v1.Descriptor{}, err
	}
	types := opts.Flavour.mediaTypes()
	manifest := v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: types.manifest,
		Config:    img.addBlob(types.config, config),
		Layers:    []v1.Descriptor{img.addBlob(types.layer, binary.gzip), img.addBlob(types.layer, text.gzip)},
	}
	desc, err := img.addManifest(types.manifest, manifest)
	if err != nil {
		return v1.Descriptor{}, err
	}
	img.Platforms = append(img.Platforms, Platform{
		Platform: platform,
		Manifest: desc,
		Config:   manifest.Config.Digest,
		DiffIDs:  diffIDs,
		Output:   "hello from drayage, " + Name(platform),
	})
	desc.Platform = &platform
	return desc, nil
}

func newConfig(platform v1.Platform, diffIDs []digest.Digest) v1.Image {
	return v1.Image{
		Created:  &created,
		Platform: platform,
		Config: v1.ImageConfig{
			Env:        []string{"PATH=/"},
			Entrypoint: []string{"/hello"},
			WorkingDir: "/",
			Labels: map[string]string{
				v1.AnnotationTitle:       "drayage sample",
				v1.AnnotationDescription: "prints one line",
			},
		},
		RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs},
		History: []v1.History{
			{Created: &created, CreatedBy: "COPY hello /hello"},
			{Created: &created, CreatedBy: "COPY carried-by.txt /carried-by.txt"},
			{Created: &created, CreatedBy: `ENTRYPOINT ["/hello"]`, EmptyLayer: true},
		},
	}
}

func (img *Image) addIndex(flavour Flavour, children []v1.Descriptor) (v1.Descriptor, error) {
	mediaType := flavour.mediaTypes().index
	return img.addManifest(mediaType, v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: mediaType,
		Manifests: children,
	})
}

func (img *Image) addManifest(mediaType string, manifest any) (v1.Descriptor, error) {
	// Docker and BuildKit indent manifests; a tool that re-encodes instead of copying changes the digest and is
	// found out.
	raw, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return v1.Descriptor{}, err
	}
	desc := describe(mediaType, raw)
	img.Manifests = append(img.Manifests, wire.Manifest{Descriptor: desc, Raw: raw})
	return desc, nil
}

func (img *Image) addBlob(mediaType string, raw []byte) v1.Descriptor {
	desc := describe(mediaType, raw)
	img.Blobs[desc.Digest] = raw
	return desc
}

func describe(mediaType string, raw []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
}
