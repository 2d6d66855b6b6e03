package sample

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/registry3"
	"drayage/test/wire"
)

func build(t *testing.T, opts Options) *Image {
	t.Helper()
	img, err := Build(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func forgetPrograms() {
	programs.Lock()
	defer programs.Unlock()
	programs.built = nil
}

func TestSameBytesEveryTime(t *testing.T) {
	first := build(t, Options{})
	forgetPrograms()
	second := build(t, Options{})
	if first.Root.Digest != second.Root.Digest {
		t.Errorf("two builds gave %s and %s", first.Root.Digest, second.Root.Digest)
	}
}

func TestFlavoursShareImageIDs(t *testing.T) {
	oci, docker, nested := build(t, Options{}), build(t, Options{Flavour: Docker}),
		build(t, Options{Flavour: Nested})
	for i, p := range oci.Platforms {
		if docker.Platforms[i].Config != p.Config || nested.Platforms[i].Config != p.Config {
			t.Errorf("%s: image IDs differ between flavours", Name(p.Platform))
		}
		if docker.Platforms[i].Manifest.Digest == p.Manifest.Digest {
			t.Errorf("%s: OCI and Docker manifests are equal", Name(p.Platform))
		}
	}
	if !maps.EqualFunc(oci.Blobs, docker.Blobs, bytes.Equal) {
		t.Error("OCI and Docker blobs differ")
	}
	if len(nested.Manifests) != len(oci.Manifests)+1 {
		t.Errorf("nested has %d manifests, want one index more than %d", len(nested.Manifests), len(oci.Manifests))
	}
}

func TestTextChangesOneLayer(t *testing.T) {
	a, b := build(t, Options{}), build(t, Options{Text: "another\n"})
	shared := 0
	for dgst := range a.Blobs {
		if _, ok := b.Blobs[dgst]; ok {
			shared++
		}
	}
	if want := len(a.Platforms); shared != want {
		t.Errorf("%d blobs are shared, want the %d programs", shared, want)
	}
}

// Every digest in the image is checked against the bytes, from the root down, as a registry serves them.
func TestSeed(t *testing.T) {
	registry, err := registry3.Start(t.Context(), registry3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	for _, flavour := range []Flavour{OCI, Docker, Nested} {
		t.Run(flavour.String(), func(t *testing.T) {
			img := build(t, Options{Flavour: flavour})
			repo := &wire.Repository{URL: registry.URL(), Name: "sample/" + flavour.String()}
			if err := img.Seed(t.Context(), repo, "1"); err != nil {
				t.Fatal(err)
			}
			root, err := repo.Manifest(t.Context(), "1")
			if err != nil {
				t.Fatal(err)
			}
			if root.Digest != img.Root.Digest || root.MediaType != img.Root.MediaType {
				t.Errorf("root is %s %s, want %s %s", root.MediaType, root.Digest, img.Root.MediaType, img.Root.Digest)
			}
			if n := walk(t, repo, root); n != len(img.Platforms) {
				t.Errorf("the index leads to %d images, want %d", n, len(img.Platforms))
			}
		})
	}
}

// walk follows an index down to its images, checks each, and counts them.
func walk(t *testing.T, repo *wire.Repository, m wire.Manifest) int {
	t.Helper()
	var index v1.Index
	if err := json.Unmarshal(m.Raw, &index); err != nil {
		t.Fatal(err)
	}
	if len(index.Manifests) == 0 {
		checkImage(t, repo, m)
		return 1
	}
	images := 0
	for _, desc := range index.Manifests {
		child, err := repo.Manifest(t.Context(), desc.Digest.String())
		if err != nil {
			t.Fatal(err)
		}
		if child.MediaType != desc.MediaType || child.Size != desc.Size {
			t.Errorf("%s is %s of %d bytes, its index says %s of %d", child.Digest, child.MediaType, child.Size,
				desc.MediaType, desc.Size)
		}
		images += walk(t, repo, child)
	}
	return images
}

func checkImage(t *testing.T, repo *wire.Repository, m wire.Manifest) {
	t.Helper()
	var manifest v1.Manifest
	var config v1.Image
	if err := json.Unmarshal(m.Raw, &manifest); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(readBlob(t, repo, manifest.Config), &config); err != nil {
		t.Fatal(err)
	}
	for i, desc := range manifest.Layers {
		zr, err := gzip.NewReader(bytes.NewReader(readBlob(t, repo, desc)))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(zr)
		if err != nil {
			t.Fatal(err)
		}
		if got := digest.FromBytes(content); got != config.RootFS.DiffIDs[i] {
			t.Errorf("layer %d unpacks to %s, the config says %s", i, got, config.RootFS.DiffIDs[i])
		}
	}
}

func readBlob(t *testing.T, repo *wire.Repository, desc v1.Descriptor) []byte {
	t.Helper()
	rc, err := repo.Blob(t.Context(), desc.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	raw, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	if digest.FromBytes(raw) != desc.Digest || int64(len(raw)) != desc.Size {
		t.Fatalf("blob %s has other bytes", desc.Digest)
	}
	return raw
}

func TestProgramRuns(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the program is built for linux")
	}
	platform, err := build(t, Options{}).Platform("linux/" + runtime.GOARCH)
	if err != nil {
		t.Skip(err)
	}
	program, err := compile(t.Context(), platform.Platform)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hello")
	if err := os.WriteFile(file, program, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), file).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSuffix(string(out), "\n"); got != platform.Output {
		t.Errorf("it prints %q, want %q", got, platform.Output)
	}
}

func TestBig(t *testing.T) {
	registry, err := registry3.Start(t.Context(), registry3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	const size = 3 << 20
	big, err := BuildBig(t.Context(), t.TempDir(), size)
	if err != nil {
		t.Fatal(err)
	}
	if big.Unpacked < size || big.Unpacked > 2*size {
		t.Errorf("the layer holds %d bytes, want little more than %d", big.Unpacked, size)
	}
	repo := &wire.Repository{URL: registry.URL(), Name: "big"}
	if err := big.Seed(t.Context(), repo, "1"); err != nil {
		t.Fatal(err)
	}
	m, err := repo.Manifest(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	checkImage(t, repo, m)
}
