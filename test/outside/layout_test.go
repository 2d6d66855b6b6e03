package outside

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"testing"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
)

// makeLayout puts an image of one layer, which is not compressed, into a new layout.
func makeLayout(t *testing.T, path, name string) {
	t.Helper()
	dir, err := layout.CreateDir(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	put := func(mediaType string, raw []byte) v1.Descriptor {
		d := image.Describe(mediaType, raw)
		if err := dir.Push(t.Context(), d, &image.MemorySource{Content: map[digest.Digest][]byte{d.Digest: raw}},
			nil); err != nil {
			t.Fatal(err)
		}
		return d
	}
	encode := func(v any) []byte {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	layer := put(v1.MediaTypeImageLayer, aTar(t, "etc/motd", "a file in a layer"))
	config := put(v1.MediaTypeImageConfig, encode(v1.Image{
		Platform: image.DefaultPlatform(),
		RootFS:   v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}},
	}))
	manifest := put(v1.MediaTypeImageManifest, encode(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: config, Layers: []v1.Descriptor{layer},
	}))
	if _, err := dir.Tag(t.Context(), manifest, name, "1"); err != nil {
		t.Fatal(err)
	}
}

// aTar is a tar with one file.
func aTar(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
