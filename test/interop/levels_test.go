//go:build linux

package interop

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestCompressionLevels has skopeo and buildah compress a layer at each level. The blob is made again by the
// model of that level alone. An image with such layers crosses as a patch, and keeps its digest.
func TestCompressionLevels(t *testing.T) {
	require(t, "skopeo", "buildah")
	content := debianLayer(t)
	near, far := startRegistry2(t, "", ""), startRegistry3(t)
	for level := 1; level <= 9; level++ {
		n := strconv.Itoa(level)
		flags := []string{"copy", "-q", "--dest-tls-verify=false", "--dest-compress-format=gzip",
			"--dest-compress-level=" + n}
		t.Run("skopeo -"+n, func(t *testing.T) {
			to, source := near+"/team/app:"+n, plainImage(t, content, n)
			skopeo(t, append(flags, source, "docker://"+to)...)
			remade(t, layerOf(t, near, n), "pgzip -"+n)
			if level%3 > 0 {
				return
			}
			from, old := near+"/team/old:"+n, plainImage(t, content[:len(content)/2], n)
			skopeo(t, append(flags, old, "docker://"+from)...)
			drayage(t, "copy", from, far+"/team/old:"+n).ok(t)
			tar := filepath.Join(scratch(t), "app.tar")
			note := drayage(t, "save", to, "--since", from, "--patch", "-o", tar).ok(t)
			drayage(t, "push", tar, far+"/team/app:"+n).ok(t)
			_, want := readManifest(t, near, "team/app", n)
			_, got := readManifest(t, far, "team/app", n)
			equal(t, "digest", got, want)
			if info, err := os.Stat(tar); err != nil || info.Size() > int64(len(content))/2 {
				t.Errorf("the layer went whole: %v, %v, %s", info, err, note)
			}
		})
	}
	t.Run("buildah -7", func(t *testing.T) {
		dir := scratch(t)
		store := []string{"buildah", "--root", dir + "/root", "--runroot", dir + "/run", "--storage-driver", "vfs"}
		run := func(args ...string) string {
			return strings.TrimSpace(invocation{argv: append(store, args...), quiet: true}.run(t).ok(t))
		}
		id := run("pull", "-q", plainImage(t, content, "buildah"))
		run("push", "-q", "--tls-verify=false", "--compression-format=gzip", "--compression-level=7", id,
			"docker://"+near+"/team/app:buildah")
		remade(t, layerOf(t, near, "buildah"), "pgzip -7")
	})
}

// layerOf is the layer of an image.
func layerOf(t *testing.T, addr, tag string) []byte {
	t.Helper()
	m, _ := readManifest(t, addr, "team/app", tag)
	r, err := repository(addr, "team/app").Blob(t.Context(), m.Layers[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	blob, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// plainImage is a directory of skopeo's with an image of one layer, which is not compressed.
// The layer ends with a name, because skopeo does not compress again what a registry has.
func plainImage(t *testing.T, layer []byte, name string) string {
	t.Helper()
	layer = append(bytes.Clone(layer), name...)
	dir := scratch(t)
	add := func(content []byte, mediaType string) v1.Descriptor {
		d := digest.FromBytes(content)
		writeFile(t, filepath.Join(dir, d.Encoded()), content, 0o600)
		return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
	}
	encode := func(v any) []byte {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	layers := []v1.Descriptor{add(layer, v1.MediaTypeImageLayer)}
	config := v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}}
	config.RootFS = v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{layers[0].Digest}}
	writeFile(t, filepath.Join(dir, "manifest.json"), encode(v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest,
		Config: add(encode(config), v1.MediaTypeImageConfig), Layers: layers,
	}), 0o600)
	writeFile(t, filepath.Join(dir, "version"), []byte("Directory Transport Version: 1.1\n"), 0o600)
	return "dir:" + dir
}
