package fetch

import (
	"context"
	"errors"
	"os"

	"github.com/opencontainers/go-digest"

	"drayage/internal/spool"
	"drayage/internal/verify"
	"drayage/layout"
)

// Temporary is a temporary layout. Images go through it if their blobs are needed more than once, so that
// they are downloaded once.
type Temporary struct {
	Path string
	dir  *layout.Dir
}

// NewTemporary makes a temporary layout in a directory, if there is room for the images. The caller closes
// it.
func NewTemporary(ctx context.Context, dir string, images []Result) (*Temporary, error) {
	if err := spool.Room(dir, bytesOf(images)); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(dir, "drayage-")
	if err != nil {
		return nil, err
	}
	t := &Temporary{Path: path}
	if t.dir, err = layout.CreateDir(ctx, path); err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	return t, nil
}

// bytesOf is the size of all that images consist of.
func bytesOf(images []Result) (sum int64) {
	seen := map[digest.Digest]bool{}
	for _, r := range images {
		for _, d := range r.Image.Blobs {
			if !seen[d.Digest] {
				seen[d.Digest] = true
				sum = verify.AddSize(sum, d.Size)
			}
		}
	}
	return sum
}

// Bring brings resolved images into the layout, and lets them be read from there. It stops at the first
// that fails.
func (t *Temporary) Bring(ctx context.Context, images []Result, opts Options) error {
	results, err := Into(ctx, images, t.dir, opts)
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
		r.Image.Source = t.dir
	}
	return nil
}

// Close removes the layout.
func (t *Temporary) Close() error { return errors.Join(t.dir.Close(), os.RemoveAll(t.Path)) }
