package cut

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"drayage/internal/checksums"
	"drayage/internal/durable"
	"drayage/internal/volume"
)

// Describe makes the set of an archive in one piece, which it reads once. name is the file name of the
// archive.
func Describe(ctx context.Context, r io.ReaderAt, name string, size int64) (*volume.Set, error) {
	if err := volume.CheckName(name); err != nil {
		return nil, err
	}
	return describe(ctx, r, name, size, 0)
}

// Whole is an archive in one piece that has no name yet: a durable.Output is one.
type Whole interface {
	io.ReaderAt
	Stat() (os.FileInfo, error)
	Sync() error
	Commit() error
}

// CommitSummed gives an archive its name, and writes a file of checksums beside it. It reads the archive once
// and syncs it meanwhile. A former file of checksums goes before the archive gets its name.
func CommitSummed(ctx context.Context, f Whole, path string) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	var sums [][]byte
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(f.Sync)
	eg.Go(func() (err error) {
		sums, err = hashes(ctx, f, fi.Size(), whole)
		return err
	})
	if err := eg.Wait(); err != nil {
		return err
	}
	if err := checksums.Remove(path); err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return err
	}
	sum := digest.NewDigestFromBytes(digest.SHA256, sums[0])
	return checksums.Write(path, []checksums.Line{{Name: filepath.Base(path), SHA256: sum}})
}

// CheckSingle reports why the archive at path cannot have a set file of its own: there is one already, of an
// archive in volumes.
func CheckSingle(path string) error {
	name := volume.SetName(path)
	old, err := formerSet(name)
	if err == nil && old != nil && old.Volume > 0 {
		err = fmt.Errorf("%s belongs to an archive in volumes, %s and so on: give another name, or remove them",
			name, old.FileName(0))
	}
	return err
}

// HasSet reports whether there is a set file for the archive at path, in one piece.
func HasSet(path string) bool {
	old, err := formerSet(volume.SetName(path))
	return err == nil && old != nil && old.Volume == 0
}

// HasVolumes reports whether beside path is the set file of an archive in volumes.
func HasVolumes(path string) bool {
	old, err := formerSet(volume.SetName(path))
	return err == nil && old != nil && old.Volume > 0
}

// ClearSet removes the set file of the archive at path, if there is one, and before it the signatures over
// it. It fails if the set file is that of an archive in volumes, which stays.
func ClearSet(path string) error {
	if err := CheckSingle(path); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer root.Close()
	set := volume.SetName(filepath.Base(path))
	for _, end := range append(signatures, "") {
		if err := root.Remove(set + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return durable.SyncDir(root, ".")
}

// WriteSet writes the set file of the archive at path.
func WriteSet(path string, raw []byte) error {
	return durable.ReplaceFile(volume.SetName(path), raw)
}
