package layout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A link that leads nowhere is told for what it is: the system only says "file exists".
func TestCreateDirAtADanglingLink(t *testing.T) {
	dir := t.TempDir()
	link, to := filepath.Join(dir, "link"), filepath.Join(dir, "stick")
	if err := os.Symlink(to, link); err != nil {
		t.Skip(err)
	}
	if d, err := CreateDir(t.Context(), link); err == nil || !strings.Contains(err.Error(), "a link to") {
		t.Errorf("%v, %v", d, err)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := CreateDir(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// A part of a layout that is a link to something outside is told for what it is. A link inside is followed.
func TestLinkedParts(t *testing.T) {
	for _, name := range []string{"oci-layout", "index.json", "blobs", "blobs/sha256", ".drayage"} {
		outside, dir := filepath.Join(t.TempDir(), "part"), filepath.Join(t.TempDir(), "layout")
		d, err := CreateDir(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
		if err := os.Rename(filepath.Join(dir, name), outside); err != nil {
			t.Fatal(err)
		}
		link := func(to string) {
			os.Remove(filepath.Join(dir, name))
			if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
				t.Skip(err)
			}
		}
		link(outside)
		want := name + " is a link to "
		if d, err := CreateDir(t.Context(), dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("create, %s: %v, %v", name, d, err)
		}
		if d, err := OpenDir(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open, %s: %v, %v", name, d, err)
		}
		if err := os.Rename(outside, filepath.Join(dir, "inside")); err != nil {
			t.Fatal(err)
		}
		link("inside")
		if name == "blobs/sha256" {
			link("../inside")
		}
		d, err = OpenDir(dir)
		if err != nil {
			t.Errorf("inside, %s: %v", name, err)
			continue
		}
		d.Close()
	}
}
