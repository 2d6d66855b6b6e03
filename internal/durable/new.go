package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteNew writes a small file that is not there yet. It makes the directories that are missing, for their
// owner alone. The file appears whole or not at all, and never in the place of another one: if there is a
// file, a directory or a link of that name, the error matches fs.ErrExist.
func WriteNew(path string, data []byte, perm os.FileMode) error {
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, tmp, err := OpenOwn(root, "."+name+".partial", perm)
	if err != nil {
		return err
	}
	defer root.Remove(tmp)
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := root.Link(tmp, name); err == nil {
		return SyncDir(root, ".")
	} else if errors.Is(err, fs.ErrExist) {
		return exists(path)
	}
	if _, err := root.Lstat(name); err == nil { // there are no hard links on this file system
		return exists(path)
	}
	return Replace(root, tmp, name)
}

func exists(path string) error { return fmt.Errorf("%s: %w", path, errExists) }

var errExists = existing{}

type existing struct{}

func (existing) Error() string        { return "there is a file of that name" }
func (existing) Is(target error) bool { return target == fs.ErrExist }
