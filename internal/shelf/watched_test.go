package shelf

import (
	"os"
	"path/filepath"
	"testing"

	"drayage/internal/source"
)

// TestWatchedSeesAFolderThatIsEmptied looks at a folder before and after its only archive is gone.
func TestWatchedSeesAFolderThatIsEmptied(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.tar")
	if err := os.WriteFile(path, make([]byte, 1024), 0o644); err != nil {
		t.Fatal(err)
	}
	spec, err := source.Parse(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	specs := []source.Spec{spec}
	w := watched{opened: lookAll(specs, nil)}
	if w.changed(lookAll(specs, nil)) {
		t.Error("nothing has changed")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if w.changed(lookAll(specs, nil)) {
		t.Error("the first look is enough")
	}
	if !w.changed(lookAll(specs, nil)) {
		t.Error("an empty folder is not seen")
	}
	if w.changed(lookAll(specs, nil)) {
		t.Error("it is told twice")
	}
}
