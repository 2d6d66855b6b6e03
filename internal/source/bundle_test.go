package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"drayage/internal/source"
	"drayage/registry"
)

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	put := func(names ...string) {
		t.Helper()
		for _, name := range names {
			path := filepath.Join(dir, name)
			err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("{}"), 0o644))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	put("b/a.tar", "b/c.TAR", "b/d.tar.gz", "b/x.tar.set", "b/x.tar.001", "b/x.tar.p01", "b/whole.tar",
		"b/whole.tar.set", "b/half.tar.partial", "b/.hidden.tar", "b/notes.txt", "b/layout/index.json", "b/other/x",
		"image/oci-layout", "image/index.json", "unpacked/manifest.json", "one.tar", "set/y.tar.set",
		"home/Dockerfile", "home/a.tar")
	list := func(text string) ([]string, bool) {
		t.Helper()
		spec, err := source.Parse(filepath.Join(dir, text), registry.ParseReference)
		if err != nil {
			t.Fatal(err)
		}
		items, is, err := source.Folder(spec)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, item := range items {
			names = append(names, filepath.Base(item.Path))
			if isLayout := item.Kind == source.Layout; isLayout != (filepath.Base(item.Path) == "layout") {
				t.Errorf("%+v", item)
			}
		}
		return names, is
	}
	want := []string{"a.tar", "c.TAR", "d.tar.gz", "layout", "whole.tar", "x.tar.set"}
	if got, is := list("b"); !is || !slices.Equal(got, want) {
		t.Errorf("%v, %t", got, is)
	}
	if got, is := list("set"); !is || !slices.Equal(got, []string{"y.tar.set"}) {
		t.Errorf("a folder with one set file: %v, %t", got, is)
	}
	for _, name := range []string{"image", "unpacked", "one.tar", "set/y.tar.set", "home"} {
		if got, is := list(name); is {
			t.Errorf("%s is a folder of %v", name, got)
		}
	}
}
