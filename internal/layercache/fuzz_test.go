package layercache_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drayage/internal/layercache"
	"drayage/internal/verify"
)

// one is the only file in a directory.
func one(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	return filepath.Join(dir, entries[0].Name())
}

// FuzzEntry checks that whatever has become of an entry, what is read of it can be asked for.
func FuzzEntry(f *testing.F) {
	dir := f.TempDir()
	c := layercache.Open(dir, "gzip-4")
	c.Store(diffID, packed)
	path := one(f, dir)
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{string(good), string(good[:len(good)-1]), "", "null", "[]",
		`{"digest":"sha256:../../x","size":1}`, strings.Replace(string(good), ":10", ":-10", 1)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		c := layercache.Open(dir, "gzip-4")
		d, ok := c.Lookup(diffID)
		if ok && (verify.Descriptor(d) != nil || d.MediaType == "") || !ok && d.Digest != "" {
			t.Fatalf("%q is read as %+v, %v", raw, d, ok)
		}
		if c.Store(diffID, packed); ok {
			return
		}
		if got, found := c.Lookup(diffID); !found || got.Digest != packed.Digest {
			t.Fatalf("not repaired: %+v, %v", got, found)
		}
	})
}

// FuzzPlace checks that a place that is read can be part of an address.
func FuzzPlace(f *testing.F) {
	dir := f.TempDir()
	layercache.Open(dir, "gzip-4").Placed("h", "team/app", packed.Digest)
	name := filepath.Base(one(f, dir))
	for _, s := range []string{"team/app", "", "../x", "a b", "a/", "a?from=x", "a\n", "a%2f",
		strings.Repeat("a", 256)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		at := layercache.Open(dir, "gzip-4").Where("h", packed.Digest)
		if at != "" && (at != string(raw) || len(at) > 255 || strings.ContainsAny(at, "?#%\\: \t\r\n") ||
			strings.HasPrefix(at, "/") || strings.HasPrefix(at, ".")) {
			t.Fatalf("%q is read as %q", raw, at)
		}
	})
}
