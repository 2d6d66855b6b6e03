package layout_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	tt "drayage/internal/transfertest"
	"drayage/layout"
)

// streamFS hides that its files can be read at any place, as those of a compressed archive cannot.
type streamFS struct{ fs.FS }

func (s streamFS) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return struct{ fs.File }{f}, nil
}

func TestLayoutOverAnyFS(t *testing.T) {
	dir := t.TempDir()
	if err := create(t, dir).Push(t.Context(), desc, &tt.Source{Content: content}, nil); err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for name, content := range tree(t, dir) {
		files[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o444}
	}
	for name, fsys := range map[string]fs.FS{"directory": os.DirFS(dir), "map": files,
		"streams": streamFS{files}} {
		l, err := layout.New(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := image.ReadAll(t.Context(), l, desc, 1<<20); err != nil || string(got) != string(content) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		for _, c := range []struct {
			offset, length int64
			want           []byte
		}{
			{0, 10, content[:10]}, {2990, image.ToEnd, content[2990:]}, {2990, 100, content[2990:]}, {5, 0,
				nil}, {3000, image.ToEnd, nil}, {4000, 5, nil},
		} {
			rc, err := l.Open(t.Context(), desc, c.offset, c.length)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(rc)
			if err != nil || string(got) != string(c.want) {
				t.Errorf("%s: Open(%d, %d) = %q, %v", name, c.offset, c.length, got, err)
			}
			if err := rc.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"nothing":             {},
		"no marker":           {"index.json": {Data: []byte(empty)}},
		"marker a directory":  {"oci-layout/x": {}},
		"marker of version 2": {"oci-layout": {Data: []byte(`{"imageLayoutVersion":"2.0.0"}`)}},
		"marker of two": {"oci-layout": {
			Data: []byte(`{"imageLayoutVersion":"2.0.0","imageLayoutVersion":"1.0.0"}`),
		}},
	} {
		if _, err := layout.New(files); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	l, err := layout.New(fstest.MapFS{"oci-layout": {Data: []byte(marker)},
		"index.json": {Data: []byte(strings.Repeat(" ", 64<<20+1))}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Images(); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a huge index: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	d := create(t, dir)
	for _, bad := range []v1.Descriptor{desc, {Digest: "sha256:../../index.json", Size: 1},
		{Digest: "sha256:", Size: 1}, {}, {Digest: desc.Digest, Size: -1}} {
		if rc, err := d.Open(t.Context(), bad, 0, image.ToEnd); err == nil {
			rc.Close()
			t.Errorf("%v: opened", bad)
		}
	}
	for what, plant := range map[string]func(path string) error{
		"link to the outside": func(path string) error { return os.Symlink("/etc/passwd", path) },
		"named pipe":          makePipe, // opening one waits for its other end
		"directory":           func(path string) error { return os.Mkdir(path, 0o755) },
	} {
		path := filepath.Join(dir, blob)
		if err := plant(path); err != nil {
			t.Fatal(err)
		}
		if got, err := image.ReadAll(t.Context(), d, desc, 1<<20); err == nil {
			t.Errorf("%s: read %q", what, got)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenFindsWrongBytes(t *testing.T) {
	dir := t.TempDir()
	d := create(t, dir)
	for _, there := range []string{"", string(content[:2999]), string(content) + "x",
		strings.ToUpper(string(content[:2999])) + "x"} {
		write(t, filepath.Join(dir, blob), there)
		if _, err := image.ReadAll(t.Context(), d, desc, 1<<20); err == nil {
			t.Errorf("%d wrong bytes were accepted", len(there))
		}
	}
}

func TestNamedPipesInsteadOfDocuments(t *testing.T) {
	for _, name := range []string{"oci-layout", "index.json"} {
		dir := t.TempDir()
		create(t, dir)
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := makePipe(path); err != nil {
			t.Fatal(err)
		}
		d, err := layout.OpenDir(dir)
		if err == nil {
			_, err = d.Images()
			d.Close()
		}
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
