package layout

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

// Blobs lists the blobs that are there with their sizes, whether an image leads to them or not. It reads
// nothing of them, so their media types are unknown. It fails where the file system cannot list
// directories, as that of an archive.
func (l *Layout) Blobs() ([]v1.Descriptor, error) { return l.blobs(true) }

// EachBlob tells of the blobs that [Layout.Blobs] lists, in no order, and holds only a part of them. An error
// of visit ends it.
func (l *Layout) EachBlob(visit func(v1.Descriptor) error) error { return l.eachBlob(true, visit) }

// blobs lists what has the name of a blob: the files, or all else.
func (l *Layout) blobs(regular bool) (all []v1.Descriptor, _ error) {
	err := l.eachBlob(regular, func(d v1.Descriptor) error {
		all = append(all, d)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b v1.Descriptor) int { return cmp.Compare(a.Digest, b.Digest) })
	return all, nil
}

// listed is how many entries of a directory are read at once.
const listed = 1000

func (l *Layout) eachBlob(regular bool, visit func(v1.Descriptor) error) error {
	for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		dir := path.Join(v1.ImageBlobsDir, a.String())
		if fi, err := fs.Stat(l.fsys, dir); err == nil && !fi.IsDir() {
			continue // reading a pipe would wait for its other end
		}
		err := eachEntry(l.fsys, dir, func(e fs.DirEntry) error {
			d := digest.NewDigestFromEncoded(a, e.Name())
			if verify.Digest(d) != nil || e.Type().IsRegular() != regular {
				return nil
			}
			fi, err := e.Info()
			switch {
			case errors.Is(err, fs.ErrNotExist): // removed meanwhile
				return nil
			case err != nil:
				return err
			}
			return visit(v1.Descriptor{Digest: d, Size: fi.Size()})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachEntry tells of the entries of a directory, in no order. There may be no such directory.
func eachEntry(fsys fs.FS, dir string, visit func(fs.DirEntry) error) error {
	f, err := fsys.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	d, ok := f.(fs.ReadDirFile)
	if !ok {
		return visitAll(fsys, dir, visit)
	}
	for {
		entries, err := d.ReadDir(listed)
		for _, e := range entries {
			if err := visit(e); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF, errors.Is(err, fs.ErrNotExist): // removed meanwhile
			return nil
		case err != nil:
			return err
		}
	}
}

// visitAll is eachEntry where a directory is not read in parts.
func visitAll(fsys fs.FS, dir string, visit func(fs.DirEntry) error) error {
	entries, err := fs.ReadDir(fsys, dir)
	for _, e := range entries {
		if err := visit(e); err != nil {
			return err
		}
	}
	return err
}
