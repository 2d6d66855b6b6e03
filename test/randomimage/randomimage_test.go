package randomimage_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/randomimage"
	"drayage/test/sample"
	"drayage/test/wire"
)

// The first images have everything that the package promises, so that a short run tries all of it.
func TestEveryShapeOccurs(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(30) {
		img, err := randomimage.Build(seed + 1)
		if err != nil {
			t.Fatal(err)
		}
		again, err := randomimage.Build(seed + 1)
		if err != nil || again.Root.Digest != img.Root.Digest {
			t.Errorf("seed %d makes %s and then %s, %v", seed+1, img.Root.Digest, again.Root.Digest, err)
		}
		for _, shape := range slices.Compact(slices.Sorted(slices.Values(shapes(t, img)))) {
			seen[shape]++
		}
	}
	for _, want := range []string{
		"no index", "nested", "several platforms", "artifact", "no layers", "repeated layer", "shared layer",
		"empty layer", "zstd", "gzip", "plain",
		"docker image", "oci image", "docker list", "data", "annotated", "not ascii", "unknown field",
	} {
		if seen[want] == 0 {
			t.Errorf("none of the images has %q; there are %v", want, slices.Sorted(maps.Keys(seen)))
		}
	}
}

func shapes(t *testing.T, img *sample.Image) (all []string) {
	t.Helper()
	note := func(shape string, is bool) {
		if is {
			all = append(all, shape)
		}
	}
	layers := map[string]int{}
	indexes := 0
	for _, m := range img.Manifests {
		var doc struct {
			v1.Manifest
			Manifests []v1.Descriptor
		}
		if err := json.Unmarshal(m.Raw, &doc); err != nil {
			t.Fatal(err)
		}
		note("docker list", m.MediaType == wire.DockerList)
		note("docker image", m.MediaType == wire.DockerManifest)
		note("oci image", m.MediaType == v1.MediaTypeImageManifest && doc.Subject == nil)
		note("artifact", doc.Subject != nil)
		note("unknown field", bytes.Contains(m.Raw, []byte(`"x-`)))
		note("annotated", len(doc.Annotations) > 0)
		note("no layers", doc.Manifests == nil && len(doc.Layers) == 0)
		if doc.Manifests != nil {
			indexes++
		}
		own := map[string]bool{}
		for _, l := range doc.Layers {
			note("data", l.Data != nil)
			note("repeated layer", own[l.Digest.String()])
			own[l.Digest.String()] = true
			note("zstd", strings.HasSuffix(l.MediaType, "zstd"))
			note("gzip", strings.HasSuffix(l.MediaType, "gzip"))
			note("plain", strings.HasSuffix(l.MediaType, "tar"))
			note("empty layer", l.Size < 1100)
		}
		for d := range own {
			layers[d]++
			note("shared layer", layers[d] > 1)
		}
		note("not ascii", bytes.ContainsFunc(m.Raw, func(r rune) bool { return r > 127 }))
	}
	note("no index", indexes == 0)
	note("nested", indexes > 1)
	note("several platforms", len(img.Platforms) > 1)
	return all
}
