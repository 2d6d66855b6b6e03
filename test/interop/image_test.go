//go:build linux

package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/registry3"
	"drayage/test/sample"
	"drayage/test/wire"
)

// build makes the images of testdata/built and testdata/child with Docker's classic builder, as built:1 and
// child:1. A second call finds everything in the builder's cache.
func build(t *testing.T) docker {
	t.Helper()
	b := builder(t)
	dir := scratch(t)
	for _, image := range []string{"built", "child"} {
		if err := os.CopyFS(filepath.Join(dir, image), os.DirFS(filepath.Join("testdata", image))); err != nil {
			t.Fatal(err)
		}
	}
	busybox, err := os.ReadFile(shell(t))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "built/busybox"), busybox, 0o755)
	writeFile(t, filepath.Join(dir, "built/same"), []byte("same\n"), 0o644)
	for _, image := range []string{"built", "child"} {
		b.run(t, "build", "--network", "none", "-t", image+":1", filepath.Join(dir, image))
	}
	return b
}

// startRegistry3 runs distribution 3 in this process and returns its host:port.
func startRegistry3(t *testing.T) string {
	t.Helper()
	server, err := registry3.Start(t.Context(), registry3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return server.Addr()
}

// newSample builds the sample image and returns it with what it is on this machine's platform.
func newSample(t *testing.T, opts sample.Options) (*sample.Image, sample.Platform) {
	t.Helper()
	image, err := sample.Build(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	here, err := image.Platform("linux/" + runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	return image, here
}

// repository is a repository of an open registry, seen without drayage.
func repository(addr, name string) *wire.Repository {
	return &wire.Repository{URL: "http://" + addr, Name: name}
}

// seed puts an image into an open registry and returns its reference.
func seed(t *testing.T, image *sample.Image, addr, name, tag string) string {
	t.Helper()
	if err := image.Seed(t.Context(), repository(addr, name), tag); err != nil {
		t.Fatal(err)
	}
	return addr + "/" + name + ":" + tag
}

// readManifest reads an image manifest, not an index, from an open registry.
func readManifest(t *testing.T, addr, name, ref string) (v1.Manifest, digest.Digest) {
	t.Helper()
	stored, err := repository(addr, name).Manifest(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(stored.Raw, &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Config.Digest == "" {
		t.Fatalf("%s/%s:%s is not an image manifest: %s", addr, name, ref, stored.Raw)
	}
	return manifest, stored.Digest
}

func writeFile(t *testing.T, path string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
}

// sortedLines splits a command's output into its lines, sorted.
func sortedLines(out string) []string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(lines)
	return lines
}

// equal fails the test unless got is want. Both are shown on lines of their own, because they are long.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got: %v\nwant: %v", what, got, want)
	}
}

// equalAll is equal for lists.
func equalAll[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\n got: %v\nwant: %v", what, got, want)
	}
}
