package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/durable"
)

// LookDir opens the layout at path for a look at what CreateDir would find there, and refuses what CreateDir
// refuses. It makes and changes nothing. The Dir is nil if there is no layout yet. The caller closes it.
func LookDir(path string) (*Dir, error) {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, lookAbove(path)
	case err == nil && !fi.IsDir():
		return nil, fmt.Errorf("%s: the directory cannot be made: %w", path, errNoDirectory)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d := &Dir{root: root, path: path}
	if err = checkLinks(root); err == nil {
		err = d.checkEmpty()
	} else {
		err = fmt.Errorf("%s: %w", path, err)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	if _, err := root.Lstat(v1.ImageIndexFile); errors.Is(err, fs.ErrNotExist) {
		return nil, root.Close() // CreateDir writes index.json before there is any blob
	}
	d.Layout = &Layout{fsys: root.FS()}
	if _, err = root.Lstat(v1.ImageLayoutFile); err == nil {
		d.Layout, err = New(root.FS())
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil // CreateDir would write it
	}
	if err == nil {
		_, err = d.Images()
	}
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

var errNoDirectory = errors.New("not a directory")

// lookAbove refuses a path that is not there and cannot be made, because something above it is no directory.
func lookAbove(path string) error {
	if to, err := os.Readlink(path); err == nil {
		return fmt.Errorf("%s: it is a link to %q, which is no directory: make that first", path, to)
	}
	above, err := durable.Existing(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if fi, err := os.Stat(above); err != nil || !fi.IsDir() {
		return fmt.Errorf("%s: the directory cannot be made: %w", path, errNoDirectory)
	}
	return nil
}
