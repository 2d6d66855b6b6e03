package layercache_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/layercache"
)

var (
	diffID = digest.FromString("uncompressed")
	packed = v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: digest.FromString("compressed"),
		Size: 10}
)

func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when", "needed")
	c := layercache.Open(dir, "gzip-4")
	if d, ok := c.Lookup(diffID); ok {
		t.Errorf("an empty cache knows %v", d)
	}
	noisy := packed
	noisy.Annotations, noisy.URLs = map[string]string{"a": "b"}, []string{"http://registry.example/"}
	c.Store(diffID, noisy)
	c.Store(diffID, noisy)
	for name, c := range map[string]*layercache.Cache{"same": c,
		"opened again": layercache.Open(dir, "gzip-4")} {
		got, ok := c.Lookup(diffID)
		if diff := cmp.Diff(packed, got); !ok || diff != "" {
			t.Errorf("%s: found %v (-want +got):\n%s", name, ok, diff)
		}
	}
	if d, ok := layercache.Open(dir, "gzip-9").Lookup(diffID); ok {
		t.Errorf("another way of compressing is answered with %v", d)
	}
	if d, ok := c.Lookup(digest.FromString("another layer")); ok {
		t.Errorf("another layer is answered with %v", d)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the cache holds %v, %v; want one entry", entries, err)
	}
}

func TestNoCache(t *testing.T) {
	c := layercache.Open("", "gzip-4")
	c.Store(diffID, packed)
	if d, ok := c.Lookup(diffID); ok {
		t.Errorf("no cache knows %v", d)
	}
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c := layercache.Open(filepath.Join(file, "dir"), "gzip-4")
	c.Store(diffID, packed)
	if d, ok := c.Lookup(diffID); ok {
		t.Errorf("a cache that cannot be written knows %v", d)
	}
}

func TestDamagedEntriesAreForgotten(t *testing.T) {
	dir := t.TempDir()
	c := layercache.Open(dir, "gzip-4")
	c.Store(diffID, packed)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	path := filepath.Join(dir, entries[0].Name())
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := []string{"", "null", "{}", "[]", `{"digest":"sha256:../../x","size":1}`,
		strings.Replace(string(good), `"size":10`, `"size":-10`, 1)}
	for i := 1; i < len(good); i++ {
		bad = append(bad, string(good[:i]))
	}
	for _, raw := range bad {
		if err := os.WriteFile(path, []byte(raw), 0o644); err != nil {
			t.Fatal(err)
		}
		if d, ok := c.Lookup(diffID); ok {
			t.Errorf("%q is read as %v", raw, d)
		}
	}
	c.Store(diffID, packed)
	if got, ok := c.Lookup(diffID); !ok || got.Digest != packed.Digest {
		t.Errorf("not repaired: %v, %v", got, ok)
	}
}

func TestCacheIsShared(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c := layercache.Open(dir, "gzip-4")
			for range 20 {
				c.Store(diffID, packed)
				if got, ok := c.Lookup(diffID); ok && got.Digest != packed.Digest {
					t.Errorf("found %v", got)
				}
			}
		})
	}
	wg.Wait()
	if got, ok := layercache.Open(dir, "gzip-4").Lookup(diffID); !ok || got.Digest != packed.Digest {
		t.Errorf("in the end: %v, %v", got, ok)
	}
}

func TestDefaultDir(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if dir := layercache.DefaultDir(); dir != "" {
		t.Errorf("a user without a home has the cache %q", dir)
	}
	base := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", base)
	t.Setenv("HOME", base)
	if dir := layercache.DefaultDir(); !strings.HasPrefix(dir, base) || !strings.Contains(dir, "drayage") {
		t.Errorf("%q is not in %q", dir, base)
	}
}
