// Package spool holds a stream on disk while a command runs. The file has no name, so nothing of it is left
// when the process ends. The stream does not take the last space of the disk.
package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"drayage/internal/durable"
	"drayage/internal/terminal"
	"drayage/internal/transfer"
)

const (
	reserve = 64 << 20 // bytes of the disk that stay free for others
	step    = 16 << 20 // bytes between two looks at the free space
)

// free is replaced in tests.
var free = durable.Free

// Room returns an error that wraps ENOSPC if dir has no room for need bytes and some for others.
func Room(dir string, need int64) error {
	have, err := free(dir)
	if err != nil {
		return fmt.Errorf("free space in %s: %w", dir, err)
	}
	if have >= 0 && have-reserve < need {
		return full("%s has %s free, which is too little: %s are needed at least, and %s are left to others",
			dir, terminal.Size(have), terminal.Size(need), terminal.Size(reserve))
	}
	return nil
}

// Copy copies r to its end into a file in dir that has no name. r has at least atLeast bytes. Copy returns an
// error of r as it is. The caller closes the file.
func Copy(ctx context.Context, dir string, r io.Reader, atLeast int64) (*os.File, error) {
	if err := Room(dir, atLeast); err != nil {
		return nil, err
	}
	w, err := Create(dir)
	if err != nil {
		return nil, err
	}
	r = struct{ io.Reader }{transfer.WithContext(ctx, r)}
	if _, err := io.CopyBuffer(w, r, make([]byte, 256<<10)); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w.file, nil
}

// File is a file without a name that is written at its end. It looks at the free space again and again: other
// processes write too, and nobody knows how much is going to be written.
type File struct {
	file *os.File
	dir  string
	left int64 // bytes until it looks again
	n    int64
}

// Create returns an empty file in dir that has no name. The caller closes it.
func Create(dir string) (*File, error) {
	f, err := anonymous(dir)
	if err != nil {
		return nil, fmt.Errorf("temporary file in %s: %w", dir, err)
	}
	return &File{file: f, dir: dir}, nil
}

// Write writes at the end of the file. Its error wraps ENOSPC where the disk has too little room left.
func (f *File) Write(p []byte) (int, error) {
	if f.left < int64(len(p)) {
		if have, err := free(f.dir); err == nil && have >= 0 && have < reserve+step {
			return 0, full("%s has only %s left after %s, and the stream goes on",
				f.dir, terminal.Size(have), terminal.Size(f.n))
		}
		f.left = step
	}
	n, err := f.file.Write(p)
	f.left -= int64(n)
	f.n += int64(n)
	return n, err
}

// ReadAt reads what has been written.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.file.ReadAt(p, off) }

// Size is how many bytes have been written.
func (f *File) Size() int64 { return f.n }

// Close ends the file.
func (f *File) Close() error { return f.file.Close() }

func full(format string, args ...any) error {
	return &durable.RoomError{
		Text: fmt.Sprintf(format, args...), Err: syscall.ENOSPC,
		Hint: "free some space there, or name another directory with --temp-dir",
	}
}
