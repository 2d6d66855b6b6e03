package layercache_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/layercache"
)

func TestPairings(t *testing.T) {
	dir := t.TempDir()
	c := layercache.Open(dir, "pgzip-4-1024k")
	layer, other := digest.FromString("layer"), digest.FromString("other")
	blob := v1.Descriptor{MediaType: "m", Digest: digest.FromString("blob"), Size: 7}
	c.Settle("reg.test", "app", layer, blob)
	if _, ok := c.Settled("reg.test", "app", layer); ok {
		t.Error("what is not proved is no pairing")
	}
	c.Proved(layer, blob)
	larger := blob
	larger.Size++
	for _, wrong := range []bool{c.Proves(other, blob), c.Proves(layer, larger)} {
		if wrong {
			t.Error("another pairing is proved")
		}
	}
	if d, ok := c.Settled("reg.test", "app", layer); !c.Proves(layer, blob) || !ok || d.Digest != blob.Digest {
		t.Errorf("settled: %v %v", d, ok)
	}
	if _, ok := c.Settled("reg.test", "other", layer); ok {
		t.Error("it is settled in another repository")
	}
	if _, ok := c.Lookup(layer); ok {
		t.Error("a foreign blob is what the layer becomes here")
	}
	files, err := filepath.Glob(filepath.Join(dir, "is-*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	raw, _ := os.ReadFile(files[0])
	if err := os.WriteFile(files[0], raw[:len(raw)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if c.Proves(layer, blob) {
		t.Error("a torn file proves something")
	}
}

func TestNoCacheHasNoPairings(t *testing.T) {
	var c *layercache.Cache
	layer := digest.FromString("layer")
	blob := v1.Descriptor{MediaType: "m", Digest: digest.FromString("blob"), Size: 1}
	c.Proved(layer, blob)
	c.Settle("reg.test", "app", layer, blob)
	if _, ok := c.Settled("reg.test", "app", layer); ok || c.Proves(layer, blob) {
		t.Error("the nil cache remembers")
	}
}
