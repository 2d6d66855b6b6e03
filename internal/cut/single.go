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

// Sum is the SHA-256 of an archive in one piece, which it reads once.
func Sum(ctx context.Context, r io.ReaderAt, size int64) (digest.Digest, error) {
	sums, err := hashes(ctx, r, size, whole)
	if err != nil {
		return "", err
	}
	return digest.NewDigestFromBytes(digest.SHA256, sums[0]), nil
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
	set := volume.SetName(filepath.Base(path))
	return durable.WriteAll(filepath.Dir(path), map[string]string{set: string(raw)})
}
