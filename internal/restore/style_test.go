package restore

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// The files are manifests as the tools in their names have pushed them.
func TestManifestsOfTools(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := image.ParseManifest("", raw)
		if err != nil {
			t.Fatal(err)
		}
		want := digest.FromBytes(raw)
		m, ok := matching(styles, *doc.Config, doc.Layers, func(d digest.Digest) bool { return d == want })
		if !ok || m.MediaType != doc.MediaType {
			t.Errorf("%s: no style writes it: %q", name, m.MediaType)
		}
	}
}

// BuildKit notes in each layer that is not of the base image which time it has given to the files.
func TestManifestOfRewrittenTimes(t *testing.T) {
	config := []byte(`{"architecture":"amd64","created":"2001-09-09T01:46:40Z","os":"linux"}`)
	layers := []v1.Descriptor{
		{MediaType: v1.MediaTypeImageLayerGzip, Digest: digest.FromString("base"), Size: 1000},
		{MediaType: v1.MediaTypeImageLayerGzip, Digest: digest.FromString("app"), Size: 2000},
		{MediaType: v1.MediaTypeImageLayerGzip, Digest: digest.FromString("data"), Size: 3000},
	}
	root := image.Describe(v1.MediaTypeImageConfig, config)
	for noted := 1; noted <= len(layers); noted++ {
		m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: root, Layers: slices.Clone(layers)}
		m.SchemaVersion = 2
		for i := len(layers) - noted; i < len(layers); i++ {
			m.Layers[i].Annotations = map[string]string{"buildkit/rewritten-timestamp": "1000000000"}
		}
		raw, err := json.MarshalIndent(m, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		is := func(d digest.Digest) bool { return d == digest.FromBytes(raw) }
		if m, ok := matching(stylesOf(config, len(layers)), root, layers, is); !ok || string(m.Raw) != string(raw) {
			t.Errorf("with %d layers that have the note: %s", noted, m.Raw)
		}
		if _, ok := matching(stylesOf([]byte(`{}`), len(layers)), root, layers, is); ok {
			t.Error("a configuration without a time has one")
		}
	}
}

// Docker's engine with containerd's image store writes manifests of its own for what it builds without
// BuildKit: on a base image, a layer of copied files has Docker's media type, and one of a command has not.
func TestManifestOfClassicBuilds(t *testing.T) {
	config := []byte(`{"history":[{"created_by":"base"},{"created_by":"env","empty_layer":true},` +
		`{"created_by":"/bin/sh -c #(nop) COPY dir:1 in /app "},{"created_by":"/bin/sh -c make"}]}`)
	root := image.Describe(v1.MediaTypeImageConfig, config)
	for _, base := range []string{v1.MediaTypeImageLayerGzip, image.DockerLayer} {
		layers := []v1.Descriptor{
			{MediaType: base, Digest: digest.FromString("base"), Size: 1000},
			{MediaType: image.DockerLayer, Digest: digest.FromString("app"), Size: 2000},
			{MediaType: v1.MediaTypeImageLayerGzip, Digest: digest.FromString("data"), Size: 3000},
		}
		raw, err := json.MarshalIndent(struct {
			MediaType     string          `json:"mediaType"`
			SchemaVersion int             `json:"schemaVersion"`
			Config        v1.Descriptor   `json:"config"`
			Layers        []v1.Descriptor `json:"layers"`
		}{v1.MediaTypeImageManifest, 2, root, layers}, "", "    ")
		if err != nil {
			t.Fatal(err)
		}
		for i := range layers {
			layers[i].MediaType = image.DockerLayer
		}
		is := func(d digest.Digest) bool { return d == digest.FromBytes(raw) }
		if m, ok := matching(stylesOf(config, 3), root, layers, is); !ok || string(m.Raw) != string(raw) {
			t.Errorf("on a base of %s: %s", base, m.Raw)
		}
	}
}

// Each style has something of its own: none is tried twice.
func TestStylesDiffer(t *testing.T) {
	layer := image.Describe(image.DockerLayer, nil)
	seen := map[string]bool{}
	for _, s := range styles {
		raw, _ := s.write(image.Describe("", nil), []v1.Descriptor{layer, layer})
		if seen[string(raw)] {
			t.Errorf("twice: %+v", s)
		}
		seen[string(raw)] = true
		if doc, err := image.ParseManifest("", raw); err != nil || len(doc.Layers) != 2 {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
