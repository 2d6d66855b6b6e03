package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// maxBytes is how much of the binary the pages may take.
const maxBytes = 1 << 20

// TestFiles asks that every page in this directory is in the binary, and that they stay small together.
func TestFiles(t *testing.T) {
	embedded, sum := map[string]bool{}, int64(0)
	err := fs.WalkDir(Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			embedded[name], sum = true, sum+info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum > maxBytes {
		t.Errorf("the pages have %d bytes, more than %d", sum, maxBytes)
	}
	pages := 0
	err = filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".md") {
			if pages++; !embedded[filepath.ToSlash(name)] {
				t.Errorf("%s is not in the binary", name)
			}
		}
		return err
	})
	if err != nil || pages < 10 {
		t.Errorf("%d pages in %s: %v", pages, must(os.Getwd()), err)
	}
}

func must(text string, _ error) string { return text }
