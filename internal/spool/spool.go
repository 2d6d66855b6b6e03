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
	f, err := anonymous(dir)
	if err != nil {
		return nil, fmt.Errorf("temporary file in %s: %w", dir, err)
	}
	w := &writer{file: f, dir: dir}
	r = struct{ io.Reader }{transfer.WithContext(ctx, r)}
	if _, err := io.CopyBuffer(w, r, make([]byte, 256<<10)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// writer looks at the free space again and again: other processes write too, and nobody knows the length of
// the stream.
type writer struct {
	file *os.File
	dir  string
	left int64 // bytes until it looks again
	n    int64
}

func (w *writer) Write(p []byte) (int, error) {
	if w.left < int64(len(p)) {
		if have, err := free(w.dir); err == nil && have >= 0 && have < reserve+step {
			return 0, full("%s has only %s left after %s, and the stream goes on",
				w.dir, terminal.Size(have), terminal.Size(w.n))
		}
		w.left = step
	}
	n, err := w.file.Write(p)
	w.left -= int64(n)
	w.n += int64(n)
	return n, err
}

func full(format string, args ...any) error {
	return &durable.RoomError{
		Text: fmt.Sprintf(format, args...), Err: syscall.ENOSPC,
		Hint: "free some space there, or name another directory with --temp-dir",
	}
}
