package source_test

import (
	"os"
	"path/filepath"
	"testing"

	"drayage/internal/source"
)

func TestSpoiled(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	blob := "lay/blobs/sha256/1111111111111111111111111111111111111111111111111111111111111111"
	if err := os.MkdirAll(filepath.Dir(at(blob)), 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{"a.tar", "other.tar", "lay/index.json", "lay/oci-layout", "lay/all.tar", blob}
	for _, name := range names {
		if err := os.WriteFile(at(name), []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.tar", at("link.tar")); err != nil {
		t.Skip(err)
	}
	if err := os.Link(at("a.tar"), at("hard.tar")); err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		out, in string
		spoils  bool
	}{
		{at("a.tar"), at("a.tar"), true},
		{at("a.tar"), "oci-archive:" + at("a.tar"), true},
		{at("a.tar"), "oci-archive:" + at("a.tar") + ":name", true},
		{at("link.tar"), at("a.tar"), true},
		{at("a.tar"), at("link.tar"), true},
		{at("hard.tar"), at("a.tar"), true},
		{at("lay/index.json"), at("lay"), true},
		{at("lay/oci-layout"), "oci:" + at("lay") + ":1", true},
		{at(blob), at("lay"), true},
		{at("lay/all.tar"), at("lay"), false},
		{at("other.tar"), at("a.tar"), false},
		{at("none.tar"), at("a.tar"), false},
		{at("lay"), at("lay"), false}, // it is no file, and durable refuses it
		{"-", "-", false},
		{"", at("a.tar"), false},
		{at("a.tar"), "registry.corp/a:1", false},
	} {
		got := source.Spoiled(c.out, []string{"nothing", c.in})
		if (got != "") != c.spoils || c.spoils && got != c.in {
			t.Errorf("Spoiled(%q, %q) = %q, want %v", c.out, c.in, got, c.spoils)
		}
	}
}
