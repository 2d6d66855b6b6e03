package layercache_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drayage/internal/layercache"
)

func TestPlaces(t *testing.T) {
	const host = "registry.example:5000"
	dir := filepath.Join(t.TempDir(), "made")
	c := layercache.Open(dir, "gzip-4")
	if at := c.Where(host, packed.Digest); at != "" {
		t.Errorf("an empty cache knows %q", at)
	}
	c.Placed(host, "team/app", packed.Digest)
	c.Placed(host, "team/other", packed.Digest)
	if at := layercache.Open(dir, "gzip-9").Where(host, packed.Digest); at != "team/other" {
		t.Errorf("it is in %q; want the last, however it was compressed", at)
	}
	if at := c.Where("other.example", packed.Digest); at != "" {
		t.Errorf("another registry has it in %q", at)
	}
	if at := c.Where(host, diffID); at != "" {
		t.Errorf("another blob is in %q", at)
	}
}

func TestPlacesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	c := layercache.Open(dir, "gzip-4")
	for _, repository := range []string{"", "/", "a/", "a b", "a?from=x", "a\nb", "../x",
		strings.Repeat("a", 256)} {
		c.Placed("h", repository, packed.Digest)
		if at := c.Where("h", packed.Digest); at != "" {
			t.Errorf("%q is remembered as %q", repository, at)
		}
	}
	c.Placed("h", "good", packed.Digest)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, damaged := range []string{"", "go od", "good/", strings.Repeat("a", 300)} {
		if err := os.WriteFile(filepath.Join(dir, entries[0].Name()), []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if at := c.Where("h", packed.Digest); at != "" {
			t.Errorf("%q is read as %q", damaged, at)
		}
	}
	c.Placed("h", "good", packed.Digest)
	if at := c.Where("h", packed.Digest); at != "good" {
		t.Errorf("not repaired: %q", at)
	}
	c.Placed("h", "good", "sha256:../../x")
	var none *layercache.Cache
	none.Placed("h", "good", packed.Digest)
	if at := none.Where("h", packed.Digest); at != "" {
		t.Errorf("no cache knows %q", at)
	}
}
