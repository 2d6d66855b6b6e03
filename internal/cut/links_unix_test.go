//go:build unix

package cut

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Nothing is written through a link when volumes are made again, even if it leads to nothing yet.
func TestRedoThroughLink(t *testing.T) {
	for _, name := range []string{"x.tar.002", "x.tar.p01", "x.tar.set.minisig"} {
		for _, victim := range []string{"victim", "nothing"} {
			path := filepath.Join(t.TempDir(), "x.tar")
			dir := filepath.Dir(path)
			writeSmall(t, path)
			_ = os.Remove(filepath.Join(dir, name))
			if err := os.WriteFile(filepath.Join(dir, "victim"), []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
				t.Skip(err)
			}
			a, err := Redo(path, nil, "2,p1")
			if err == nil {
				a.Abort()
			}
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("a link as %s to %s: %v", name, victim, err)
			}
		}
	}
}

// writeSmall writes two volumes and a parity volume.
func writeSmall(t *testing.T, path string) {
	t.Helper()
	w, err := Create(path, Options{Volume: 1 << 20, Parity: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write(make([]byte, 3<<19)); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

// A named pipe in the place of a set file is refused at once. Opening it would never end.
func TestPipeAsSetFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.tar")
	if err := unix.Mkfifo(path+".set", 0o600); err != nil {
		t.Skip(err)
	}
	if err := CheckSingle(path); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("CheckSingle: %v", err)
	}
	if HasSet(path) {
		t.Error("a pipe is taken for a set file")
	}
	if _, err := Redo(path, nil, "1"); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("Redo: %v", err)
	}
}
