package layout_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	tt "drayage/internal/transfertest"
	"drayage/layout"
)

const (
	marker = `{"imageLayoutVersion":"1.0.0"}`
	empty  = `{"manifests":[],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}`
)

func TestCreateDir(t *testing.T) {
	for _, name := range []string{"new", "deeper/and/new", "."} {
		dir := filepath.Join(t.TempDir(), name)
		for _, again := range []string{"", " again"} {
			d := create(t, dir)
			same(t, name+again, map[string]string{"oci-layout": marker, "index.json": empty}, tree(t, dir))
			if images, err := d.Images(); err != nil || len(images) != 0 || d.Path() != dir {
				t.Errorf("%s%s: %v, %v in %s", name, again, images, err, d.Path())
			}
		}
	}
}

func TestCreateDirRefusesForeignDirectories(t *testing.T) {
	for what, files := range map[string][]string{
		"a file":                    {"notes.txt"},
		"a directory":               {"photos/1.jpg"},
		"an index only":             {"index.json"},
		"blobs only":                {"blobs/sha256/x"},
		"a layout without an index": {"oci-layout"},
	} {
		dir := t.TempDir()
		for _, f := range files {
			write(t, filepath.Join(dir, f), marker)
		}
		before := tree(t, dir)
		if d, err := layout.CreateDir(t.Context(), dir); err == nil {
			d.Close()
			t.Errorf("%s: accepted", what)
		} else if !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: the error does not name the directory: %v", what, err)
		}
		same(t, what, before, tree(t, dir))
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	for _, path := range []string{file, file + "/dir"} {
		if _, err := layout.CreateDir(t.Context(), path); err == nil {
			t.Errorf("%s: accepted", path)
		}
	}
}

func TestCreateDirGoesOnAfterACrash(t *testing.T) {
	for _, left := range [][]string{{".drayage/lock"}, {".drayage/partial/x"}, {"index.json", ".drayage/lock"}} {
		dir := t.TempDir()
		for _, f := range left {
			write(t, filepath.Join(dir, f), empty)
		}
		create(t, dir)
		if got := tree(t, dir); got["oci-layout"] != marker || got["index.json"] != empty {
			t.Errorf("%v: %v", left, got)
		}
	}
}

func TestOpenDir(t *testing.T) {
	dir := t.TempDir()
	create(t, dir)
	d, err := layout.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	for name, content := range map[string]string{
		"no JSON": "x", "nothing": "", "version 2": `{"imageLayoutVersion":"2.0.0"}`, "no version": `{}`,
		"large": `{"imageLayoutVersion":"1.0.0"}` + strings.Repeat(" ", 5000),
	} {
		write(t, filepath.Join(dir, "oci-layout"), content)
		for _, open := range []func() (*layout.Dir, error){
			func() (*layout.Dir, error) { return layout.OpenDir(dir) },
			func() (*layout.Dir, error) { return layout.CreateDir(t.Context(), dir) },
		} {
			if _, err := open(); err == nil || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := layout.OpenDir(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := layout.OpenDir(t.TempDir()); err == nil {
		t.Error("an empty directory is opened as a layout")
	}
}

func TestDiscard(t *testing.T) {
	content := []byte("content")
	desc := image.Describe(v1.MediaTypeImageManifest, content)
	for _, c := range []struct {
		name string
		use  func(t *testing.T, d *layout.Dir)
		kept bool
	}{
		{"nothing came", func(*testing.T, *layout.Dir) {}, false},
		{"a blob came", func(t *testing.T, d *layout.Dir) {
			if err := d.Push(t.Context(), desc, &tt.Source{Content: content}, nil); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"part of a blob came", func(t *testing.T, d *layout.Dir) {
			if err := d.Push(t.Context(), desc, &tt.Source{Content: content, Always: tt.Fail(3, errGone)},
				nil); err == nil {
				t.Fatal("no error")
			}
		}, true},
		{"another tool put a file there", func(t *testing.T,
			d *layout.Dir) {
			write(t, d.Path()+"/blobs/README", "")
		}, true},
	} {
		dir := filepath.Join(t.TempDir(), "new")
		d := create(t, dir)
		c.use(t, d)
		before := tree(t, dir)
		d.Discard(t.Context())
		_, err := os.Stat(dir)
		if kept := err == nil; kept != c.kept {
			t.Errorf("%s: kept %v, want %v", c.name, kept, c.kept)
			continue
		}
		if c.kept && before["oci-layout"] == tree(t, dir)["oci-layout"] {
			same(t, c.name, before, tree(t, dir))
		}
		if c.kept {
			if _, err := layout.CreateDir(t.Context(), dir); err != nil {
				t.Errorf("%s: no layout any more: %v", c.name, err)
			}
		}
	}
	dir := t.TempDir()
	d := create(t, dir) // the directory was there before
	d.Discard(t.Context())
	if _, err := layout.OpenDir(dir); err != nil {
		t.Errorf("a directory that was there: %v", err)
	}
}

func TestCreateDirStopsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	create(t, dir)
	lock := holdLock(t, filepath.Join(dir, ".drayage", "lock"))
	defer lock.Close()
	reason := errors.New("the user has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if _, err := layout.CreateDir(ctx, dir); !errors.Is(err, reason) {
		t.Errorf("%v, want the cause of the context", err)
	}
}
