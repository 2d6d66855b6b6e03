package book

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Size is the number of bytes of all files.
func Size(files map[string][]byte) (n int) {
	for _, raw := range files {
		n += len(raw)
	}
	return n
}

// Write puts the files into dir, in place of an earlier site. It refuses any other directory.
// The new site gets its name when it is complete.
func Write(dir string, files map[string][]byte) (err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := replaceable(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".new-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	for _, name := range sortedKeys(files) {
		file := filepath.Join(fresh, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, files[name], 0o644); err != nil {
			return err
		}
	}
	if err := os.Chmod(fresh, 0o755); err != nil { // MkdirTemp lets nobody else in
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(fresh, dir)
}

// replaceable refuses to remove what is no site.
func replaceable(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	_, err = os.Stat(filepath.Join(dir, "assets", "search-index.js"))
	if len(entries) > 0 && err != nil {
		return fmt.Errorf("%s holds something else than a site: remove it, or name another directory", dir)
	}
	return nil
}
