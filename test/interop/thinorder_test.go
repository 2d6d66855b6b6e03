//go:build linux

package interop

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/sample"
)

// TestThinAboveAnotherLayer leaves out a layer that lies above a new one. containerd, podman and registries
// know layers one by one and take the archive. Docker knows a layer by all that are below it: it refuses the
// archive, and takes what was saved since its own inventory.
func TestThinAboveAnotherLayer(t *testing.T) {
	requireDocker(t)
	addr, dir := startRegistry3(t), scratch(t)
	image, here := newSample(t, sample.Options{})
	old, above := seed(t, image, addr, "team/hello", "1"), seedAbove(t, image, here, addr)
	oldTar, thin := filepath.Join(dir, "old.tar"), filepath.Join(dir, "thin.tar")
	drayage(t, "save", old, "-o", oldTar, "--format", "oci").ok(t)
	drayage(t, "save", above, "-o", thin, "--since", oldTar).ok(t)

	c := startContainerd(t)
	c.ctr(t, "images", "import", oldTar)
	c.ctr(t, "images", "import", thin)
	equal(t, "ctr run prints", c.start(t, above), here.Output)
	p := newPodman(t)
	p.run(t, "load", "-i", oldTar)
	p.run(t, "load", "-i", thin)
	equal(t, "podman run prints", p.start(t, above), here.Output)

	d := startDocker(t)
	d.run(t, "load", "-i", oldTar)
	wantsBase(t, d.command("load", "-i", thin), func() string {
		return strings.TrimSpace(strings.ReplaceAll(strings.Join(d.names(t), " "), old, ""))
	})
	inventory, whole := filepath.Join(dir, "docker.inv"), filepath.Join(dir, "for-docker.tar")
	made := drayageCommand(t, "inventory", "docker", "-o", inventory)
	made.env = []string{"DOCKER_HOST=" + d.socket}
	made.run(t).ok(t)
	drayage(t, "save", above, "-o", whole, "--since", inventory).ok(t)
	d.run(t, "load", "-i", whole)
	equal(t, "docker run prints", d.start(t, above), here.Output)
}

// seedAbove makes an image of a new layer below the two that the sample has.
func seedAbove(t *testing.T, image *sample.Image, here sample.Platform, addr string) string {
	t.Helper()
	repo := repository(addr, "team/hello")
	put := func(mediaType string, raw []byte) v1.Descriptor {
		d := v1.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
		if err := repo.PutBlob(t.Context(), d.Digest, d.Size, bytes.NewReader(raw)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	var m v1.Manifest
	for _, stored := range image.Manifests {
		if stored.Digest == here.Manifest.Digest {
			if err := json.Unmarshal(stored.Raw, &m); err != nil {
				t.Fatal(err)
			}
		}
	}
	empty := make([]byte, 1024) // a tar of nothing
	config := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: runtime.GOARCH},
		Config: v1.ImageConfig{Entrypoint: []string{"/hello"}},
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(empty)}}}
	config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, here.DiffIDs...)
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	m.Config = put(v1.MediaTypeImageConfig, raw)
	m.Layers = append([]v1.Descriptor{put(v1.MediaTypeImageLayer, empty)}, m.Layers...)
	if raw, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if err := repo.PutManifest(t.Context(), "3", m.MediaType, raw); err != nil {
		t.Fatal(err)
	}
	return addr + "/team/hello:3"
}
