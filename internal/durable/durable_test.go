package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/durable"
)

// root opens a new directory and returns a function that lists it: names and contents.
func root(t *testing.T) (*os.Root, func() map[string]string) {
	t.Helper()
	dir := t.TempDir()
	r, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, func() map[string]string { return tree(t, dir) }
}

func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if found[rel] = d.Type().String(); d.Type().IsRegular() {
			raw, err := os.ReadFile(path)
			found[rel] = string(raw)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func check(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: directory (-want +got):\n%s", what, diff)
	}
}

func TestWriteFile(t *testing.T) {
	r, list := root(t)
	for _, content := range []string{"first, and longer", "second", ""} {
		if err := durable.WriteFile(r, "tmp", "name", []byte(content)); err != nil {
			t.Fatal(err)
		}
		check(t, content, list(), map[string]string{"name": content})
	}
	if err := r.WriteFile("tmp", []byte("left over from a crash"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(r, "tmp", "name", []byte("new")); err != nil {
		t.Fatal(err)
	}
	check(t, "left over temporary file", list(), map[string]string{"name": "new"})
}

func TestWriteFileFails(t *testing.T) {
	dir := fs.ModeDir.String()
	r, list := root(t)
	if err := errors.Join(r.WriteFile("old", []byte("old"), 0o644), r.Mkdir("dir", 0o755),
		r.Symlink("../outside", "link")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"old": "old", "dir": dir, "link": fs.ModeSymlink.String()}
	for _, c := range []struct{ what, tmp, name string }{
		{"the name is a directory", "tmp", "dir"},
		{"no directory for the name", "tmp", "absent/name"},
		{"no directory for the temporary file", "absent/tmp", "old"},
		{"temporary file outside", "../tmp", "old"},
		{"name outside", "tmp", "../old"},
		{"link to the outside as temporary file", "link", "old"},
	} {
		if err := durable.WriteFile(r, c.tmp, c.name, []byte("new")); err == nil {
			t.Errorf("%s: no error", c.what)
		}
		check(t, c.what, list(), want)
	}
}

func TestReplaceKeepsTheOldFileOnFailure(t *testing.T) {
	r, list := root(t)
	if err := r.WriteFile("name", []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := durable.Replace(r, "tmp", "name"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	check(t, "no new file", list(), map[string]string{"name": "old"})
	if err := durable.SyncDir(r, "absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("sync of an absent directory: %v", err)
	}
}
