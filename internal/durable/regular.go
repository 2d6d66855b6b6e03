package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrNotRegular is about what is no regular file, and ErrChanged about a file that was replaced while it was
// opened.
var (
	ErrNotRegular = errors.New("no regular file")
	ErrChanged    = errors.New("it was replaced just now")
)

// OpenRegular opens a regular file to read it. It follows no link, and opens nothing that could let it wait,
// such as a named pipe.
func OpenRegular(path string) (*os.File, error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	return OpenSame(path, before, os.O_RDONLY)
}

// OpenSame opens the regular file that before is about, which path led to, without a link.
func OpenSame(path string, before fs.FileInfo, flag int) (*os.File, error) {
	if !before.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	now, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !os.SameFile(before, now) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrChanged}
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err == nil && !os.SameFile(before, opened) {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrChanged}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ReadRegular reads a regular file of at most so many bytes.
func ReadRegular(path string, most int64) ([]byte, error) {
	f, err := OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(raw)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return raw, err
}
