package inspect_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/inspect"
	"drayage/internal/imagetest"
)

// saved makes a docker tar with one image.
func saved(t *testing.T, manifest string, files map[string]string) dockerarchive.SavedImage {
	t.Helper()
	files["manifest.json"] = manifest
	raw := imagetest.Tar(files)
	r, err := dockerarchive.NewReader(bytes.NewReader(raw), int64(len(raw)))
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
	content := imagetest.Tar(map[string]string{"file": "content"})
	zipped := imagetest.GzipLayer(imagetest.Tar(map[string]string{"file": "other content"}))
	config := linux("amd64", "")
	config.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(content), zipped.DiffID,
		digest.FromBytes(content)}}
	raw := imagetest.Encode(config)
	id := digest.FromBytes(raw)
	im, err := inspect.Saved(saved(t, `[{"Config":"`+id.Encoded()+
		`.json","RepoTags":["alpine:3.20"],"Layers":["a/layer.tar","b/layer.tar","a/layer.tar"]}]`,
		map[string]string{
			id.Encoded() + ".json": string(raw), "a/layer.tar": string(content), "b/layer.tar": string(zipped.Content),
		}))
	if err != nil {
		t.Fatal(err)
	}
	one := inspect.Layer{Digest: digest.FromBytes(content), DiffID: digest.FromBytes(content),
		MediaType: v1.MediaTypeImageLayer, Size: int64(len(content))}
	two := inspect.Layer{DiffID: zipped.DiffID, MediaType: v1.MediaTypeImageLayerGzip,
		Size: int64(len(zipped.Content))}
	want := &inspect.Image{
		Names: []string{"docker.io/library/alpine:3.20"}, Kind: inspect.SavedTar, Layers: 2, LayerBytes: one.Size +
			two.Size,
		Platforms: []inspect.Platform{{
			Platform: "linux/amd64", ID: id, DockerID: &inspect.DockerID{GraphDriver: id},
			Config: &inspect.Config{Created: &created},
			Layers: []inspect.Layer{one, two, one}, LayerBytes: one.Size + two.Size,
		}},
	}
	if diff := cmp.Diff(want, im); diff != "" {
		t.Error(diff)
	}
}

func TestSavedWithoutANameOrLayers(t *testing.T) {
	raw := imagetest.Encode(linux("amd64", ""))
	im, err := inspect.Saved(saved(t, `[{"Config":"c.json","RepoTags":null,"Layers":[]}]`,
		map[string]string{"c.json": string(raw)}))
	if err != nil || im.Names == nil || len(im.Names) != 0 || im.Layers != 0 ||
		im.Platforms[0].ID != digest.FromBytes(raw) {
		t.Errorf("%+v, %v", im, err)
	}
}
