//go:build linux

package interop

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/sample"
)

// skopeo runs a skopeo command that must succeed and returns exactly what it printed, because digests are
// taken of it.
func skopeo(t *testing.T, args ...string) string {
	t.Helper()
	require(t, "skopeo")
	o := invocation{argv: slices.Concat([]string{"skopeo", "--insecure-policy"}, args)}.run(t)
	o.ok(t)
	return o.stdout
}

// skopeoLayers are the layer digests that skopeo sees.
func skopeoLayers(t *testing.T, source string) []string {
	t.Helper()
	var seen struct{ Layers []string }
	if err := json.Unmarshal([]byte(skopeo(t, "inspect", source)), &seen); err != nil {
		t.Fatal(err)
	}
	return seen.Layers
}

func TestSkopeoReadsSavedTar(t *testing.T) {
	require(t, "skopeo")
	s := saveSample(t, false)
	source := "docker-archive:" + s.tar
	var diffIDs []string
	for _, diffID := range s.platform.DiffIDs {
		diffIDs = append(diffIDs, diffID.String())
	}
	equalAll(t, "layers", skopeoLayers(t, source), diffIDs)
	config := skopeo(t, "inspect", "--config", "--raw", source)
	equal(t, "image ID", digest.FromString(config), s.platform.Config)

	addr := startRegistry3(t)
	skopeo(t, "copy", "--dest-tls-verify=false", source, "docker://"+addr+"/copied:1")
	manifest, _ := readManifest(t, addr, "copied", "1")
	equal(t, "image ID of the copy", manifest.Config.Digest, s.platform.Config)
}

// TestSkopeoReadsLayout leaves out Docker's media types, which this skopeo does not look for in a layout.
func TestSkopeoReadsLayout(t *testing.T) {
	require(t, "skopeo")
	for _, flavour := range []sample.Flavour{sample.OCI, sample.Nested} {
		t.Run(flavour.String(), func(t *testing.T) {
			image, here := newSample(t, sample.Options{Flavour: flavour})
			addr := startRegistry3(t)
			ref := seed(t, image, addr, "team/hello", "1")
			one, all := filepath.Join(scratch(t), "one"), filepath.Join(scratch(t), "all")
			drayage(t, "fetch", ref, "-o", one).ok(t)
			drayage(t, "fetch", ref, "-o", all, "--platform", "all").ok(t)

			equal(t, "digest of one platform", rawDigest(t, "oci:"+one+":1"), here.Manifest.Digest)
			equal(t, "digest of all platforms", rawDigest(t, "oci:"+all+":1"), image.Root.Digest)
			stored, _ := readManifest(t, addr, "team/hello", here.Manifest.Digest.String())
			var layers []string
			for _, layer := range stored.Layers {
				layers = append(layers, layer.Digest.String())
			}
			equalAll(t, "layers", skopeoLayers(t, "oci:"+one+":1"), layers)

			skopeo(t, "copy", "--dest-tls-verify=false", "oci:"+one+":1", "docker://"+addr+"/one:1")
			_, copied := readManifest(t, addr, "one", "1")
			equal(t, "digest of the copy", copied, here.Manifest.Digest)
			if flavour == sample.OCI { // skopeo copies no nested index
				skopeoCopiesAll(t, all, addr, image.Root.Digest)
			}
		})
	}
}

func skopeoCopiesAll(t *testing.T, layout, addr string, want digest.Digest) {
	t.Helper()
	skopeo(t, "copy", "--all", "--dest-tls-verify=false", "oci:"+layout+":1", "docker://"+addr+"/all:1")
	copied, err := repository(addr, "all").Manifest(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "digest of the copied index", copied.Digest, want)
}

func rawDigest(t *testing.T, source string) digest.Digest {
	t.Helper()
	return digest.FromString(skopeo(t, "inspect", "--raw", source))
}
