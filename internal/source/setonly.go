package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"drayage/internal/kind"
	"drayage/internal/terminal"
	"drayage/internal/volume"
	"drayage/registry"
)

// OpenVolumes finds the volumes of an archive, whatever is missing of them, and reads no image. Path is a set
// file, a volume, or a folder with volumes. File is the set file. The caller closes the volumes.
func OpenVolumes(ctx context.Context, path string, opts Options) (file string, v *volume.Files, err error) {
	home := filepath.Dir(path)
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
	if err != nil {
		return "", nil, err
	}
	set, err := parseSet(file, opts)
	if err != nil {
		return "", nil, err
	}
	v, err = volume.Find(ctx, set, distinct(append([]string{filepath.Dir(file), home}, opts.Volumes...)))
	return file, v, err
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
