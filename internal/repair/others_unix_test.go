//go:build unix

package repair

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"drayage/internal/durable"
)

// A file that gets the name of a volume after the check is not written to.
func TestReplacedMeanwhile(t *testing.T) {
	for _, link := range []bool{false, true} {
		w := newWorld(t, 3, 3, 1)
		path := filepath.Join(w.dir, "x.tar.001")
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raw[block+7] ^= 1
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := New(w.set, w.look(), Options{Dir: w.dir})
		if err != nil {
			t.Fatal(err)
		}
		victim := filepath.Join(t.TempDir(), "victim")
		if err := os.WriteFile(victim, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		err = os.Rename(path, path+".moved")
		if link {
			err = errors.Join(err, os.Symlink(victim, path))
		} else {
			err = errors.Join(err, os.Link(victim, path))
		}
		if err != nil {
			t.Skip(err)
		}
		if err := r.Run(t.Context(), "", nil); !errors.Is(err, ErrPlace) {
			t.Errorf("link %v: %v", link, err)
		}
		if now, err := os.ReadFile(victim); err != nil || string(now) != string(raw) {
			t.Errorf("link %v: another file was written to: %v", link, err)
		}
	}
}

// What is copied is what was checked, whatever has its name by then. A pipe is refused before the work.
func TestCopiesWhatWasChecked(t *testing.T) {
	w := newWorld(t, 3, 2, 1)
	if err := os.Remove(filepath.Join(w.dir, "x.tar.002")); err != nil {
		t.Fatal(err)
	}
	set := filepath.Join(w.dir, "x.tar.set")
	if err := os.WriteFile(set, []byte("another one"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if _, err := w.repair(Options{Out: out, Raw: []byte("checked")}); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(filepath.Join(out, "x.tar.set")); err != nil || string(raw) != "checked" {
		t.Errorf("copied %q, %v", raw, err)
	}
	if err := unix.Mkfifo(set+".minisig", 0o600); err != nil {
		t.Skip(err)
	}
	out = t.TempDir()
	if _, err := w.repair(Options{Out: out}); !errors.Is(err, durable.ErrNotRegular) {
		t.Errorf("a pipe: %v", err)
	}
	if all, err := os.ReadDir(out); err != nil || len(all) > 0 {
		t.Errorf("written before: %v, %v", all, err)
	}
}
