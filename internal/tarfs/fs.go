package tarfs

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"path"
	"time"
)

// Open implements [fs.FS]. It opens regular files, and links to them. They can be read at any offset
// (io.ReaderAt). Directories cannot be listed.
func (x *Index) Open(name string) (fs.File, error) {
	err := fs.ErrInvalid
	if fs.ValidPath(name) {
		if err = fs.ErrNotExist; x.Has(name) {
			var f *File
			if f, err = x.Find(name); err == nil {
				return &openFile{SectionReader: f.Open(), name: path.Base(name)}, nil
			}
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: err}
}

// Overlay shows some files in memory before, or besides, those of another file system.
func Overlay(under fs.FS, files map[string][]byte) fs.FS { return overlay{under, files} }

type overlay struct {
	under fs.FS
	files map[string][]byte
}

// Open implements fs.FS.
func (o overlay) Open(name string) (fs.File, error) {
	content, ok := o.files[name]
	if !ok {
		return o.under.Open(name)
	}
	r := io.NewSectionReader(bytes.NewReader(content), 0, int64(len(content)))
	return &openFile{SectionReader: r, name: path.Base(name)}, nil
}

// openFile implements fs.File.
type openFile struct {
	*io.SectionReader
	name string
}

// Stat implements fs.File.
func (f *openFile) Stat() (fs.FileInfo, error) {
	h := tar.Header{Name: f.name, Size: f.Size(), Mode: 0o444, Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
	return h.FileInfo(), nil
}

// Close implements fs.File.
func (f *openFile) Close() error { return nil }
