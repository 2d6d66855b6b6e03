package cut_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"drayage/internal/cut"
	"drayage/internal/filelock"
)

// A second run of the same name is refused until the first one has ended, even when all volumes have their
// names already.
func TestSecondRun(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.tar")
	refused := func(when string) {
		t.Helper()
		if _, err := cut.Create(path, cut.Options{Volume: mib}); !errors.Is(err, filelock.ErrLocked) {
			t.Errorf("%s, a second run: %v", when, err)
		}
		if _, err := cut.Redo(path, nil, "1"); !errors.Is(err, filelock.ErrLocked) {
			t.Errorf("%s, --only: %v", when, err)
		}
	}
	w, err := cut.Create(path, cut.Options{Volume: mib, Checksum: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	refused("begun")
	if _, err := w.Write(make([]byte, 3*mib)); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	refused("complete, and still to be signed")
	w.Abort()
	a, err := cut.Redo(path, nil, "1")
	if err != nil {
		t.Fatal(err)
	}
	refused("--only")
	a.Abort()
	all, err := os.ReadDir(dir)
	if err != nil || len(all) != 5 {
		t.Errorf("there is %v, %v", all, err)
	}
}

// A folder that is another one in the end has no set file, and the archive is not complete.
func TestVanishedFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "medium")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := cut.Create(filepath.Join(dir, "x.tar"), cut.Options{Volume: mib, Parity: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write(make([]byte, 2*mib)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"2"); err != nil {
		t.Skip(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err = w.Finish(t.Context())
	if err == nil {
		err = w.Commit()
	}
	if err == nil {
		t.Error("the archive is complete")
	}
	w.Abort()
	for _, d := range []string{dir, dir + "2"} {
		if all, err := os.ReadDir(d); err != nil || len(all) > 0 {
			t.Errorf("in %s: %v, %v", d, all, err)
		}
	}
}

// What a killed run has left beside volumes goes with the next one.
func TestSmallFilesThatAreLeft(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"x.tar.sha256.partial", "x.tar.set.partial", "x.tar.set.minisig.partial"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := write(t, filepath.Join(dir, "x.tar"), cut.Options{Volume: mib, Checksum: true},
		make([]byte, mib)); err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob(filepath.Join(dir, "*partial*"))
	if sums, serr := os.ReadFile(filepath.Join(dir, "x.tar.sha256")); err != nil || serr != nil ||
		len(all) > 0 || len(sums) < 100 {
		t.Errorf("left: %v, %v; sums: %q, %v", all, err, sums, serr)
	}
}
