package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"math/rand/v2"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/sample"
	"drayage/test/wire"
)

// newImage makes an image of two platforms, the same bytes every time. Nothing in it runs. It is made here
// and not compiled, so that its digests do not depend on the version of Go.
func newImage() (*sample.Image, error) {
	img := &sample.Image{Blobs: map[digest.Digest][]byte{}}
	index := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex}
	for i, architecture := range []string{"amd64", "arm64"} {
		platform := v1.Platform{OS: "linux", Architecture: architecture}
		child, err := addPlatform(img, platform, uint64(i+1))
		if err != nil {
			return nil, err
		}
		index.Manifests = append(index.Manifests, child)
	}
	root, err := addManifest(img, index.MediaType, index)
	img.Root = root
	return img, err
}

func addPlatform(img *sample.Image, platform v1.Platform, seed uint64) (v1.Descriptor, error) {
	manifest := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest}
	config := v1.Image{Platform: platform, RootFS: v1.RootFS{Type: "layers"}}
	for i, size := range []int{9 << 20, 5 << 20, 600 << 10, 4 << 10} {
		layer, diffID, err := newLayer(size, seed*10+uint64(i))
		if err != nil {
			return v1.Descriptor{}, err
		}
		manifest.Layers = append(manifest.Layers, addBlob(img, v1.MediaTypeImageLayerGzip, layer))
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID)
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return v1.Descriptor{}, err
	}
	manifest.Config = addBlob(img, v1.MediaTypeImageConfig, raw)
	desc, err := addManifest(img, manifest.MediaType, manifest)
	desc.Platform = &platform
	return desc, err
}

// newLayer is a tar of one file that does not compress.
func newLayer(size int, seed uint64) ([]byte, digest.Digest, error) {
	random := rand.NewChaCha8([32]byte{byte(seed)})
	content := make([]byte, size)
	random.Read(content) // never fails
	var plain, packed bytes.Buffer
	tw := tar.NewWriter(&plain)
	header := &tar.Header{Name: "data", Mode: 0o644, Size: int64(size), Format: tar.FormatUSTAR}
	if err := tw.WriteHeader(header); err != nil {
		return nil, "", err
	}
	if _, err := tw.Write(content); err != nil {
		return nil, "", err
	}
	if err := tw.Close(); err != nil {
		return nil, "", err
	}
	zw, err := gzip.NewWriterLevel(&packed, gzip.NoCompression)
	if err != nil {
		return nil, "", err
	}
	if _, err := zw.Write(plain.Bytes()); err != nil {
		return nil, "", err
	}
	err = zw.Close()
	return packed.Bytes(), digest.FromBytes(plain.Bytes()), err
}

func addBlob(img *sample.Image, mediaType string, raw []byte) v1.Descriptor {
	desc := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	img.Blobs[desc.Digest] = raw
	return desc
}

func addManifest(img *sample.Image, mediaType string, manifest any) (v1.Descriptor, error) {
	raw, err := json.Marshal(manifest)
	desc := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	img.Manifests = append(img.Manifests, wire.Manifest{Descriptor: desc, Raw: raw})
	return desc, err
}
