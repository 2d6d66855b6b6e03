package layout_test

import (
	"os"
	"path/filepath"
	"testing"

	"drayage/layout"
)

// A look refuses what CreateDir refuses, and makes nothing.
func TestLookDir(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	whole, err := layout.CreateDir(t.Context(), at("whole"))
	if err != nil {
		t.Fatal(err)
	}
	whole.Close()
	for _, err := range []error{os.Mkdir(at("empty"), 0o777), os.Mkdir(at("other"), 0o777),
		os.WriteFile(at("other/text"), nil, 0o666), os.WriteFile(at("file"), nil, 0o666)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Symlink("nowhere", at("dangling"))
	for name, there := range map[string]bool{"whole": true, "empty": false, "absent": false, "a/b/c": false,
		"other": false, "file": false, "file/below": false, "dangling": false} {
		before := tree(t, dir)
		d, lerr := layout.LookDir(at(name))
		same(t, name+": files", before, tree(t, dir))
		if (d != nil) != there {
			t.Errorf("%s: %v, %v", name, d, lerr)
		}
		if d != nil {
			d.Close()
		}
		made, cerr := layout.CreateDir(t.Context(), at(name))
		if (lerr == nil) != (cerr == nil) {
			t.Errorf("%s: a look says %v, and CreateDir %v", name, lerr, cerr)
		}
		if made != nil {
			made.Discard(t.Context())
			made.Close()
		}
	}
}
