package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/layout"
)

// wildLayout is a layout of images that public reports have described.
type wildLayout struct {
	t   *testing.T
	dir *layout.Dir
}

func newWildLayout(t *testing.T) *wildLayout {
	t.Helper()
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG"} {
		t.Setenv(name, t.TempDir())
	}
	dir, err := layout.CreateDir(t.Context(), filepath.Join(t.TempDir(), "images"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return &wildLayout{t, dir}
}

func (w *wildLayout) put(mediaType string, raw []byte) v1.Descriptor {
	w.t.Helper()
	d := image.Describe(mediaType, raw)
	if err := w.dir.Push(w.t.Context(), d, &image.MemorySource{Content: map[digest.Digest][]byte{d.Digest: raw}},
		nil); err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *wildLayout) putJSON(mediaType string, v any) v1.Descriptor {
	w.t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.put(mediaType, raw)
}

// layer is a gzipped tar of one file, and its diff ID.
func (w *wildLayout) layer(mediaType, content string) (v1.Descriptor, digest.Digest) {
	var plain, packed bytes.Buffer
	tw := tar.NewWriter(&plain)
	tw.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(len(content))})
	tw.Write([]byte(content))
	tw.Close()
	z := gzip.NewWriter(&packed)
	z.Write(plain.Bytes())
	z.Close()
	return w.put(mediaType, packed.Bytes()), digest.FromBytes(plain.Bytes())
}

// manifest stores a manifest of one layer and names it.
func (w *wildLayout) manifest(name, mediaType string, config, layer v1.Descriptor) v1.Descriptor {
	m := v1.Manifest{MediaType: mediaType, Config: config, Layers: []v1.Descriptor{layer}}
	m.SchemaVersion = 2
	return w.name(name, w.putJSON(mediaType, m))
}

func (w *wildLayout) name(name string, d v1.Descriptor) v1.Descriptor {
	if name == "" {
		return d
	}
	_, tag, _ := strings.Cut(name, ":")
	if _, err := w.dir.Tag(w.t.Context(), d, "registry.test/"+name, tag); err != nil {
		w.t.Fatal(err)
	}
	return d
}

func amd64(diffIDs ...digest.Digest) v1.Image {
	return v1.Image{
		Platform: v1.Platform{OS: "linux", Architecture: "amd64"},
		RootFS:   v1.RootFS{Type: "layers", DiffIDs: diffIDs},
	}
}

// run runs a command on the layout, or on the image of that name in it.
func (w *wildLayout) run(verb, name string, args ...string) (stdout, stderr string, code int) {
	src := w.dir.Path()
	if name != "" {
		src = "oci:" + src + ":registry.test/" + name
	}
	return command(w.t, append([]string{verb, src}, args...)...)
}

// Wild case 1: old images of Docker Hub name their configuration application/octet-stream (skopeo#1910).
func TestWild01ConfigurationOfUnknownType(t *testing.T) {
	w := newWildLayout(t)
	layer, diffID := w.layer(image.DockerLayer, "old")
	config := w.putJSON("application/octet-stream", amd64(diffID))
	w.manifest("old:1", image.DockerManifest, config, layer)
	out := filepath.Join(t.TempDir(), "old.tar")
	for _, format := range []string{"docker", "oci"} {
		if _, stderr, code := w.run("save", "old:1", "-o", out, "--format", format, "--platform",
			"linux/amd64"); code != 0 {
			t.Fatalf("save --format %s: %d, %s", format, code, stderr)
		}
		if raw, err := os.ReadFile(out); err != nil || !bytes.Contains(raw, []byte("manifest.json")) {
			t.Errorf("--format %s: docker load would find no image: %v", format, err)
		}
		if stdout, stderr, code := command(t, "verify", out); code != 0 || !strings.HasPrefix(stdout, "ok ") {
			t.Errorf("verify of %s: %d, %s%s", format, code, stdout, stderr)
		}
	}
	if _, stderr, code := w.run("save", "old:1", "-o", out, "--platform", "linux/arm64"); code != exitNotFound ||
		!strings.Contains(stderr, "linux/amd64") {
		t.Errorf("another platform: %d, %s", code, stderr)
	}
	if stdout, _, _ := w.run("inspect", "old:1"); !strings.Contains(stdout, "image ID "+config.Digest.String()) {
		t.Errorf("inspect shows no image:\n%s", stdout)
	}
}

// Wild case 2: encrypted layers can be carried, and not be unpacked.
func TestWild02EncryptedLayers(t *testing.T) {
	w := newWildLayout(t)
	layer := w.put(v1.MediaTypeImageLayerGzip+"+encrypted", []byte("no gzip, but a secret"))
	config := w.putJSON(v1.MediaTypeImageConfig, amd64(digest.FromString("what it would be")))
	w.manifest("sealed:1", v1.MediaTypeImageManifest, config, layer)
	stdout, stderr, code := w.run("verify", "sealed:1")
	if code != 0 || !strings.HasPrefix(stdout, "ok ") ||
		!strings.Contains(stderr, layer.Digest.String()+" is encrypted") {
		t.Errorf("verify: %d, %s%s", code, stdout, stderr)
	}
	out := filepath.Join(t.TempDir(), "sealed.tar")
	_, stderr, code = w.run("save", "sealed:1", "-o", out)
	if code != exitOther || !strings.Contains(stderr, "is encrypted") || strings.Contains(stderr, "integrity") {
		t.Errorf("save --format docker: %d, %s", code, stderr)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a refused save has left a file")
	}
	if _, stderr, code = w.run("save", "sealed:1", "-o", out, "--format", "oci"); code != 0 {
		t.Errorf("save --format oci: %d, %s", code, stderr)
	}
	if stdout, stderr, code := command(t, "verify", out); code != 0 {
		t.Errorf("verify of the tar: %d, %s%s", code, stdout, stderr)
	}
	if stdout, _, _ := w.run("inspect", "sealed:1"); !strings.Contains(stdout, "encrypted") {
		t.Errorf("inspect does not say it:\n%s", stdout)
	}
}

// Wild case 3: an artifact may have an empty configuration of an image's type.
func TestWild03ArtifactWithTheConfigurationOfAnImage(t *testing.T) {
	w := newWildLayout(t)
	layer := w.put(v1.MediaTypeImageLayer, []byte("a model, a policy, whatever"))
	config := w.put(v1.MediaTypeImageConfig, []byte("{}"))
	w.manifest("model:1", v1.MediaTypeImageManifest, config, layer)
	if stdout, stderr, code := w.run("verify", "model:1"); code != 0 {
		t.Errorf("verify: %d, %s%s", code, stdout, stderr)
	}
	if stdout, stderr, code := w.run("inspect", "model:1"); code != 0 || !strings.Contains(stdout, "artifact") {
		t.Errorf("inspect: %d, %s%s", code, stdout, stderr)
	}
	out := filepath.Join(t.TempDir(), "model.tar")
	if _, stderr, code := w.run("save", "model:1", "-o", out, "--format", "oci"); code != 0 {
		t.Errorf("save --format oci: %d, %s", code, stderr)
	}
	if _, stderr, code := w.run("save", "model:1", "-o", out); code != exitOther ||
		!strings.Contains(stderr, "not a container image") {
		t.Errorf("save --format docker: %d, %s", code, stderr)
	}
	file := filepath.Join(w.dir.Path(), "blobs", "sha256", layer.Digest.Encoded())
	if err := os.WriteFile(file, []byte("a model, a policy, whatEver"), 0o644); err != nil {
		t.Fatal(err)
	}
	if stdout, _, code := w.run("verify", "model:1"); code != exitIntegrity {
		t.Errorf("verify of a changed blob: %d, %s", code, stdout)
	}
}

// Wild case 13: one manifest is listed for two platforms (podman#18723).
func TestWild13OneManifestForTwoPlatforms(t *testing.T) {
	w := newWildLayout(t)
	layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, "any")
	m := w.manifest("", v1.MediaTypeImageManifest, w.putJSON(v1.MediaTypeImageConfig, amd64(diffID)), layer)
	index := v1.Index{MediaType: v1.MediaTypeImageIndex}
	index.SchemaVersion = 2
	for _, arch := range []string{"amd64", "arm64"} {
		d := m
		d.Platform = &v1.Platform{OS: "linux", Architecture: arch}
		index.Manifests = append(index.Manifests, d)
	}
	w.name("both:1", w.putJSON(v1.MediaTypeImageIndex, index))
	out := filepath.Join(t.TempDir(), "both.tar")
	for _, p := range []string{"linux/amd64", "linux/arm64"} {
		if _, stderr, code := w.run("save", "both:1", "-o", out, "--platform", p); code != 0 {
			t.Errorf("save --platform %s: %d, %s", p, code, stderr)
		}
		if stdout, stderr, code := w.run("inspect", "both:1", "--platform", p); code != 0 ||
			!strings.Contains(stdout, m.Digest.String()) {
			t.Errorf("inspect --platform %s: %d, %s%s", p, code, stdout, stderr)
		}
	}
	if stdout, _, _ := w.run("inspect", "both:1"); !strings.Contains(stdout, "linux/amd64") ||
		!strings.Contains(stdout, "linux/arm64") {
		t.Errorf("inspect does not show both:\n%s", stdout)
	}
}

// Wild cases 4 and 55: a configuration travels byte for byte, and nobody needs all of it to be well formed
// (kargo#1267).
func TestWild04OddConfigurations(t *testing.T) {
	w := newWildLayout(t)
	layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, "odd")
	rootFS := `"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["` + diffID.String() +
		`"]}`
	for name, more := range map[string]string{
		"date":    `"created":""`,
		"label":   `"config":{"Labels":{"a":1}}`,
		"user":    `"config":{"User":1000}`,
		"twice":   `"author":"a","author":"b"`,
		"case":    `"config":{"Env":["A=1"],"env":["A=2"]}`,
		"history": `"history":[{"created":"never"}]`,
	} {
		raw := "{" + more + "," + rootFS + "}"
		config := w.put(v1.MediaTypeImageConfig, []byte(raw))
		w.manifest(name+":1", v1.MediaTypeImageManifest, config, layer)
		for _, verb := range []string{"verify", "inspect", "config", "digest", "manifest"} {
			if stdout, stderr, code := w.run(verb, name+":1"); code != 0 {
				t.Errorf("%s: %s: %d, %s%s", name, verb, code, stdout, stderr)
			}
		}
		for _, format := range []string{"docker", "oci"} {
			out := filepath.Join(t.TempDir(), "odd.tar")
			if _, stderr, code := w.run("save", name+":1", "-o", out, "--format", format, "--platform",
				"linux/amd64"); code != 0 {
				t.Errorf("%s: save --format %s: %d, %s", name, format, code, stderr)
				continue
			}
			if stdout, stderr, code := command(t, "verify", out); code != 0 {
				t.Errorf("%s: verify of %s: %d, %s%s", name, format, code, stdout, stderr)
			}
			if stdout, _, _ := command(t, "config", out); stdout != raw {
				t.Errorf("%s: the configuration in %s is %s", name, format, stdout)
			}
		}
	}
}

// An entry of index.json may carry a platform, as BuildKit writes it, or an empty one. Where it says nothing,
// the configuration tells the platform.
func TestPlatformOfAnEntry(t *testing.T) {
	w := newWildLayout(t)
	layer, diffID := w.layer(v1.MediaTypeImageLayerGzip, "any")
	m := w.manifest("", v1.MediaTypeImageManifest, w.putJSON(v1.MediaTypeImageConfig, amd64(diffID)), layer)
	said, silent := m, m
	said.Platform, silent.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}, &v1.Platform{}
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{silent}}
	index.SchemaVersion = 2
	w.name("said:1", said)
	w.name("empty:1", silent)
	w.name("index:1", w.putJSON(v1.MediaTypeImageIndex, index))
	for _, name := range []string{"said:1", "empty:1", "index:1"} {
		for _, verb := range []string{"digest", "manifest", "config", "inspect"} {
			for platform, want := range map[string]int{"linux/amd64": 0, "linux/arm64": exitNotFound} {
				if _, stderr, code := w.run(verb, name, "--platform", platform); code != want {
					t.Errorf("%s %s --platform %s: %d, %s", verb, name, platform, code, stderr)
				}
			}
		}
		out := filepath.Join(t.TempDir(), "out.tar")
		if _, stderr, code := w.run("save", name, "-o", out, "--platform", "linux/amd64"); code != 0 {
			t.Errorf("save %s: %d, %s", name, code, stderr)
		}
	}
}
