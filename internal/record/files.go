package record

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"unicode/utf8"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/source"
	"drayage/internal/transfer"
	"drayage/internal/verify"
)

// ownDir is where drayage keeps what is no part of a layout.
const ownDir = ".drayage"

// Files lists the files that the images of a set are in, with their SHA-256: the archive, or all files of a
// layout. They are read whole, each once. If a blob of a layout is not what its name says, the error matches
// verify.ErrMismatch, and the list is whole.
func Files(ctx context.Context, set *source.Set) ([]File, error) {
	if set.Spec.Kind == source.Layout {
		return layoutFiles(ctx, set.Spec.Path)
	}
	name := "-"
	if set.Spec.Path != "" && set.Spec.Path != "-" {
		name = filepath.Base(set.Spec.Path)
	}
	if set.Volumes != nil { // which are recorded as if they were joined
		name = set.Volumes.Set().Name
	}
	size, sum, err := set.Sum(ctx)
	return []File{{Name: name, Size: size, SHA256: sum.Encoded()}}, err
}

func layoutFiles(ctx context.Context, dir string) (all []File, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var damaged error
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ownDir && d.IsDir():
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		f, err := sumFile(ctx, root, name)
		if errors.Is(err, verify.ErrMismatch) {
			damaged, err = cmp.Or(damaged, err), nil
		}
		all = append(all, f)
		return err
	})
	return all, cmp.Or(err, damaged)
}

// sumFile reads a file of a layout.
func sumFile(ctx context.Context, root *os.Root, name string) (File, error) {
	f := File{Name: name}
	if !utf8.ValidString(name) {
		return f, fmt.Errorf("%q: the name of a file in a record has to be UTF-8", name)
	}
	opened, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return f, err
	}
	defer opened.Close()
	if fi, err := opened.Stat(); err != nil || !fi.Mode().IsRegular() {
		return f, fmt.Errorf("%s: a record takes regular files only: put the file itself there", name)
	}
	h := sha256.New()
	if f.Size, err = io.Copy(h, transfer.WithContext(ctx, opened)); err != nil {
		return f, err
	}
	f.SHA256 = hex.EncodeToString(h.Sum(nil))
	if dir, base := path.Split(name); dir == v1.ImageBlobsDir+"/sha256/" && base != f.SHA256 {
		return f, verify.Mismatchf("%s: its content has the SHA-256 %s; drayage verify says which images need it",
			name, f.SHA256)
	}
	return f, nil
}
