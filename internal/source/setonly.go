package source

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"drayage/internal/kind"
	"drayage/internal/terminal"
	"drayage/internal/volume"
	"drayage/registry"
)

// Found are the volumes of an archive, and the set file that says what they have to be.
type Found struct {
	*volume.Files
	File string // the set file
	Raw  []byte // what is in it, as it was checked
}

// OpenVolumes finds the volumes of an archive, whatever is missing of them, and reads no image. Path is a set
// file, a volume, or a folder with volumes. Hold, if not nil, is told the name of the archive and the folders
// in which volumes are, before these are looked at. The caller closes the volumes.
func OpenVolumes(
	ctx context.Context, path string, opts Options, hold func(archive string, dirs []string) error,
) (*Found, error) {
	file, home, err := findSetFile(path, opts)
	if err != nil {
		return nil, err
	}
	raw, err := readSetFile(file)
	if err != nil {
		return nil, err
	}
	set, err := parseRaw(file, raw, opts)
	if err != nil {
		return nil, err
	}
	dirs := distinct(append([]string{filepath.Dir(file), home}, opts.Volumes...))
	if hold != nil {
		if err := hold(set.Name, dirs); err != nil {
			return nil, err
		}
		if now, err := readSetFile(file); err != nil || !bytes.Equal(now, raw) {
			return nil, fmt.Errorf("%s was replaced just now: another command writes these volumes", file)
		}
	}
	v, err := volume.Find(ctx, set, dirs)
	if err != nil {
		return nil, err
	}
	return &Found{v, file, raw}, nil
}

// findSetFile finds the set file of path, and the folder that path is about.
func findSetFile(path string, opts Options) (file, home string, err error) {
	home = filepath.Dir(path)
	fi, err := os.Stat(path)
	switch {
	case err == nil && fi.IsDir():
		home = path
		file, err = (&folder{path: path}).setFile(opts)
	default:
		if file, err = (&Set{Spec: Spec{Kind: Archive, Path: path}}).setFile(opts); err == nil && file == "" {
			file = besideVolume(path)
		}
	}
	if err == nil && file == "" {
		err = noSetFile(path)
	}
	return file, home, err
}

// noSetFile says why a path leads to no set file.
func noSetFile(path string) error {
	fi, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", terminal.Quote(path), err)
	case fi.IsDir():
		if err := leftBehind(path, namesIn(path)); err != nil {
			return err
		}
		return kind.Errorf(registry.ErrNotFound, "there is no set file in %s: every medium has a copy of it", path)
	}
	return kind.Errorf(registry.ErrNotFound, "%s has no set file beside it: every medium has a copy of it", path)
}
