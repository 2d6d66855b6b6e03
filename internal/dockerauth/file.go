package dockerauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"drayage/internal/durable"
	"drayage/internal/filelock"
)

// maxLocks is how often a lock file may vanish while it is waited for. It vanishes whenever another program
// is done.
const maxLocks = 1000

// rewrite replaces the file at path, or makes it. change returns the new content for the old one, which is
// nil if there is no file. rewrite holds a lock meanwhile, so that no program of ours loses what another one
// writes. If change fails or changes nothing, the file stays as it is.
func rewrite(ctx context.Context, path string, change func(old []byte) ([]byte, error)) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the file is replaced, not the link to it
	} else if fi, err := os.Lstat(path); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
		return &Error{path, "a link to something that is not there"}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer root.Close()
	name := filepath.Base(path)
	unlock, err := lock(ctx, root, name+".lock")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer unlock()
	old, fi, err := readOld(root, name)
	if err != nil {
		return &Error{path, durable.Cause(err).Error()}
	}
	text, err := change(old)
	if err != nil || bytes.Equal(text, old) {
		return err
	}
	if err := replace(root, name, text, fi); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func readOld(root *os.Root, name string) ([]byte, fs.FileInfo, error) {
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, nil, errors.New("not a regular file")
	}
	raw, err := readAll(f)
	return raw, fi, err
}

// replace writes the file anew, for its owner only. The caller holds the lock.
func replace(root *os.Root, name string, text []byte, old fs.FileInfo) (err error) {
	tmp := name + ".tmp"
	if err := root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			root.Remove(tmp)
		}
	}()
	if old != nil {
		keepOwner(f, old)
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return durable.Replace(root, tmp, name)
}

// lock waits for the lock file and returns what frees it. Freeing removes the file. So whoever gets the lock
// checks that the file still has the name.
func lock(ctx context.Context, root *os.Root, name string) (unlock func(), err error) {
	for range maxLocks {
		f, err := durable.OpenLocked(root, name, 0o600, filelock.Waiting(ctx))
		if err != nil {
			return nil, err
		}
		if f != nil {
			return func() {
				root.Remove(name) // not where open files cannot be removed: there it stays
				f.Close()
			}, nil
		}
	}
	return nil, fmt.Errorf("%s cannot be locked: it is replaced all the time", name)
}
