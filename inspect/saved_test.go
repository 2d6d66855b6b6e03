package inspect_test

import (
	"archive/tar"
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/inspect"
	"drayage/internal/fakeregistry"
)

// saved makes a docker tar with one image.
func saved(t *testing.T, manifest string, files map[string][]byte) dockerarchive.SavedImage {
	t.Helper()
	files["manifest.json"] = []byte(manifest)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := dockerarchive.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	images, err := r.Images(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return images[0]
}

func TestSaved(t *testing.T) {
	content := fakeregistry.Tar(map[string]string{"file": "content"})
	zipped := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"file": "other content"}))
	config := linux("amd64", "")
	config.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(content), zipped.DiffID, digest.FromBytes(content)}}
	raw := encode(t, config)
	id := digest.FromBytes(raw)
	im, err := inspect.Saved(saved(t, `[{"Config":"`+id.Encoded()+`.json","RepoTags":["alpine:3.20"],"Layers":["a/layer.tar","b/layer.tar","a/layer.tar"]}]`,
		map[string][]byte{id.Encoded() + ".json": raw, "a/layer.tar": content, "b/layer.tar": zipped.Content}))
	if err != nil {
		t.Fatal(err)
	}
	one := inspect.Layer{Digest: digest.FromBytes(content), DiffID: digest.FromBytes(content), MediaType: v1.MediaTypeImageLayer, Size: int64(len(content))}
	two := inspect.Layer{DiffID: zipped.DiffID, MediaType: v1.MediaTypeImageLayerGzip, Size: int64(len(zipped.Content))}
	want := &inspect.Image{
		Names: []string{"docker.io/library/alpine:3.20"}, Kind: inspect.SavedTar, Layers: 2, LayerBytes: one.Size + two.Size,
		Platforms: []inspect.Platform{{
			Platform: "linux/amd64", ID: id, DockerID: &inspect.DockerID{GraphDriver: id}, Config: &inspect.Config{Created: &created},
			Layers: []inspect.Layer{one, two, one}, LayerBytes: one.Size + two.Size,
		}},
	}
	if diff := cmp.Diff(want, im); diff != "" {
		t.Error(diff)
	}
}

func TestSavedWithoutANameOrLayers(t *testing.T) {
	raw := encode(t, linux("amd64", ""))
	im, err := inspect.Saved(saved(t, `[{"Config":"c.json","RepoTags":null,"Layers":[]}]`, map[string][]byte{"c.json": raw}))
	if err != nil || im.Names == nil || len(im.Names) != 0 || im.Layers != 0 || im.Platforms[0].ID != digest.FromBytes(raw) {
		t.Errorf("%+v, %v", im, err)
	}
}
