package source

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"drayage/internal/usage"
)

// maxFiles bounds what a directory may hold that is read as a tar.
const maxFiles = 20_000

// dirTar is a tar of the files of a directory. It is made while it is read, and takes no room.
type dirTar struct {
	root   *os.Root
	pieces []piece // by offset; what is between them is zero
	size   int64
}

// piece is a run of bytes of the tar: a header, or the content of a file.
type piece struct {
	at, size int64
	raw      []byte
	file     string // in the directory; empty: raw is the piece
}

const tarBlock = 512

// addRaw adds an entry with a plain name.
func (d *dirTar) addRaw(name string, raw []byte) {
	d.add(&tar.Header{Name: name, Size: int64(len(raw))}, piece{raw: raw})
}

// add adds an entry. It returns an error if no tar can hold its name.
func (d *dirTar) add(h *tar.Header, body piece) error {
	var head bytes.Buffer
	if err := tar.NewWriter(&head).WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	body.at, body.size = d.size+int64(head.Len()), h.Size
	d.pieces = append(d.pieces, piece{at: d.size, size: int64(head.Len()), raw: head.Bytes()}, body)
	d.size = (body.at + body.size + tarBlock - 1) &^ (tarBlock - 1)
	return nil
}

// addFile adds a file of the directory, or a link. It leaves out what is neither.
func (d *dirTar) addFile(name, file string) error {
	fi, err := d.root.Lstat(file)
	if err != nil {
		return err
	}
	if len(d.pieces)/2 >= maxFiles {
		return usage.Errorf("it holds more than %d files: too many for one image", maxFiles)
	}
	switch {
	case fi.Mode().IsRegular():
		return d.add(&tar.Header{Name: name, Size: fi.Size()}, piece{file: file})
	case fi.Mode()&fs.ModeSymlink != 0:
		to, err := d.root.Readlink(file)
		if err != nil {
			return err
		}
		return d.add(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: filepath.ToSlash(to)}, piece{})
	}
	return nil
}

// addAll adds all files below the directory.
func (d *dirTar) addAll() error {
	return fs.WalkDir(d.root.FS(), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return d.addFile(path, path)
	})
}

// ReadAt implements io.ReaderAt. The tar goes on with zeros for ever. A file that has become shorter is an
// error.
func (d *dirTar) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		part := p[n:]
		i := sort.Search(len(d.pieces), func(i int) bool { return d.pieces[i].at+d.pieces[i].size > offset })
		if i < len(d.pieces) && offset >= d.pieces[i].at {
			at := d.pieces[i]
			part = part[:min(int64(len(part)), at.at+at.size-offset)]
			if err := d.read(at, part, offset-at.at); err != nil {
				return n, err
			}
		} else { // between pieces
			if i < len(d.pieces) {
				part = part[:min(int64(len(part)), d.pieces[i].at-offset)]
			}
			clear(part)
		}
		n += len(part)
		offset += int64(len(part))
	}
	return n, nil
}

func (d *dirTar) read(at piece, p []byte, offset int64) error {
	if at.file == "" {
		copy(p, at.raw[offset:])
		return nil
	}
	f, err := d.root.Open(at.file)
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := f.ReadAt(p, offset); n < len(p) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("%s: %w", at.file, err)
	}
	return nil
}
