package dockerarchive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"time"
)

// FS shows the files of the archive as a file system to read from. Directories cannot be listed.
func (a *Reader) FS() fs.FS { return archiveFS{a} }

type archiveFS struct{ a *Reader }

// Open implements fs.FS.
func (f archiveFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if !f.a.has(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	s, err := f.a.find(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &archiveFile{SectionReader: s, name: path.Base(name)}, nil
}

// archiveFile is an open file of an archive.
type archiveFile struct {
	*io.SectionReader
	name   string
	closed bool
}

// Stat implements fs.File.
func (f *archiveFile) Stat() (fs.FileInfo, error) {
	h := tar.Header{Name: f.name, Size: f.Size(), Mode: 0o444, Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
	return h.FileInfo(), nil
}

// Close implements fs.File.
func (f *archiveFile) Close() error {
	if f.closed {
		return errors.New("archive: file closed twice")
	}
	f.closed = true
	return nil
}

// overlayFS shows some files in memory before, or besides, those of another file system.
type overlayFS struct {
	under fs.FS
	files map[string][]byte
}

// Open implements fs.FS.
func (o overlayFS) Open(name string) (fs.File, error) {
	content, ok := o.files[name]
	if !ok {
		return o.under.Open(name)
	}
	return &archiveFile{SectionReader: io.NewSectionReader(bytes.NewReader(content), 0, int64(len(content))), name: path.Base(name)}, nil
}
