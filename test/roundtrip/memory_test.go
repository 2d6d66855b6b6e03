//go:build linux

package roundtrip

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/registry3"
	"drayage/test/sample"
)

const (
	defaultBig = 64 << 20  // bytes of the layer's tar, for make test
	peakLimit  = 100 << 20 // bytes of resident memory, whatever the layer's size
)

func bigBytes(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv("DRAYAGE_BIG_BYTES")
	if text == "" {
		return defaultBig
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		t.Fatalf("DRAYAGE_BIG_BYTES is %q, want a number of bytes", text)
	}
	return n
}

// Memory must not grow with the layer. The ways of a layer through drayage are all here: in from a registry to a layout
// and to a tar, from a layout to a tar, out to a registry from a layout, from a tar, and from a pipe.
func TestPeakMemory(t *testing.T) {
	dir := t.TempDir()
	big, err := sample.BuildBig(t.Context(), dir, bigBytes(t))
	if err != nil {
		t.Fatal(err)
	}
	connected := startSite(t, registry3.Options{Dir: mkdir(t, dir, "connected")})
	if err := big.Seed(t.Context(), connected.repo("big"), "1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(big.File); err != nil { // the registry has it
		t.Fatal(err)
	}
	private := startSite(t, registry3.Options{Dir: mkdir(t, dir, "private")})
	want := identity{id: digest.FromBytes(big.Config), diffIDs: []digest.Digest{big.DiffID}}
	source, dest := connected.Addr()+"/big:1", private.Addr()
	t.Logf("layer of %d MiB, %d MiB compressed", big.Unpacked>>20, big.Layer.Size>>20)
	c := newCLI(t)
	steps := []struct {
		name  string
		args  []string
		stdin string
		check func()
	}{
		{"fetch", []string{"fetch", source, "-o", "images"}, "", nil},
		{"save from a layout", []string{"save", "images", "-o", "image.tar"}, "", func() { checkBigTar(t, c, want) }},
		{"save from a registry", []string{"save", source, "-o", "image.tar"}, "", func() { checkBigTar(t, c, want) }},
		{"push of a layout", []string{"push", "images", dest + "/layout:1"}, "", func() { checkBigServed(t, private, "layout", want) }},
		{"push of a tar", []string{"push", "image.tar", dest + "/tar:1"}, "", func() { checkBigServed(t, private, "tar", want) }},
		{"push of a pipe", []string{"push", "-", dest + "/pipe:1", "--compression-level", "5"}, "image.tar", func() { checkBigServed(t, private, "pipe", want) }},
		{"inspect of a pipe", []string{"inspect", "-"}, "image.tar", nil},
	}
	for _, step := range steps {
		peak := c.peak(t, step.stdin, step.args...)
		t.Logf("%-22s peak %4d MiB", step.name, peak>>20)
		if peak > peakLimit {
			t.Errorf("%s: peak memory is %d MiB, the limit is %d MiB", step.name, peak>>20, peakLimit>>20)
		}
		if step.check != nil {
			step.check()
		}
	}
}

func mkdir(t *testing.T, parent, name string) string {
	t.Helper()
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func checkBigTar(t *testing.T, c *cli, want identity) {
	t.Helper()
	images := readTar(t, c.path("image.tar"))
	if len(images) != 1 || !images[0].equal(want) {
		t.Errorf("the tar holds %v, want %v", images, want)
	}
}

func checkBigServed(t *testing.T, s *site, name string, want identity) {
	t.Helper()
	checkServedIdentity(t, s.repo(name), "1", want)
}
