package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"drayage/internal/durable"
)

func TestWriteNew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "deep", "key")
	if err := durable.WriteNew(path, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteNew(path, []byte("other"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file is written again: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("nowhere", link); err == nil {
		if err := durable.WriteNew(link, []byte("x"), 0o600); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a link that leads nowhere is followed: %v", err)
		}
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("besides the file there is more: %v, %v", left, err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if fi, err := os.Stat(name); err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %o", name, fi.Mode(), err, want)
		}
	}
}
