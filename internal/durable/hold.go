package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"drayage/internal/filelock"
)

// Hold keeps other processes from changing the files of one archive in some folders, and tells whether these
// are still the same folders. Where a file system has no locks it does only the second.
type Hold struct {
	name string // of the lock file
	held []*heldFolder
}

type heldFolder struct {
	dir  string
	root *os.Root
	lock *os.File // nil: there are no locks
}

// HoldFolders holds the files of an archive in folders until Release. If another process holds them, the
// error matches filelock.ErrLocked. A run that was killed holds nothing: it has left only an empty file,
// which the next one removes.
func HoldFolders(archive string, dirs ...string) (*Hold, error) {
	h := &Hold{name: PartialName(archive) + ".lock"}
	for _, dir := range dirs {
		if err := h.add(dir); err != nil {
			h.Release()
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, archive), Cause(err))
		}
	}
	return h, nil
}

func (h *Hold) add(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	f := &heldFolder{dir: dir, root: root}
	for _, other := range h.held {
		if other.is(root) {
			return root.Close()
		}
	}
	for range MaxLost {
		f.lock, err = OpenLocked(root, h.name, 0o644, filelock.TryLock)
		if f.lock != nil || err != nil {
			break
		}
	}
	if err != nil && !errors.Is(err, filelock.ErrUnsupported) {
		root.Close()
		return err
	}
	h.held = append(h.held, f)
	return nil
}

// is reports whether root is the folder.
func (f *heldFolder) is(root *os.Root) bool {
	a, err1 := f.root.Stat(".")
	b, err2 := root.Stat(".")
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// Root is the folder with a number, as it was when the hold began.
func (h *Hold) Root(k int) *os.Root { return h.held[k].root }

// Stays fails if a path leads to another folder now: a medium has been taken away, or one was mounted.
func (h *Hold) Stays() error {
	if h == nil {
		return nil
	}
	for _, f := range h.held {
		was, err := f.root.Stat(".")
		var is fs.FileInfo
		if err == nil {
			is, err = os.Stat(f.dir)
		}
		if err != nil {
			return fmt.Errorf("the folder %s cannot be reached any more: %w", f.dir, Cause(err))
		}
		if !os.SameFile(was, is) {
			return fmt.Errorf("%s is another folder now than when the work began: "+
				"a medium was taken away, or another one mounted there", f.dir)
		}
	}
	return nil
}

// Sync makes the names in all folders durable.
func (h *Hold) Sync() error {
	for _, f := range h.held {
		if err := SyncDir(f.root, "."); err != nil {
			return err
		}
	}
	return nil
}

// Release ends the hold. The second time it does nothing.
func (h *Hold) Release() {
	if h == nil {
		return
	}
	for _, f := range h.held {
		if f.lock != nil && runtime.GOOS == "windows" { // an open file cannot be removed there
			f.lock.Close()
		}
		if f.lock != nil {
			f.root.Remove(h.name)
			f.lock.Close()
		}
		f.root.Close()
	}
	h.held = nil
}
