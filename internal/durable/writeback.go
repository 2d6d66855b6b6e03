package durable

import (
	"io"
	"os"
)

// stretch is how much is written before the disk is told to begin with it.
const stretch = 16 << 20

// Written is told of every write to f of n bytes at off. As soon as a stretch is full, it lets the system bring that to the disk, so that
// a sync at the end finds little left to do and what was reported as written does not all wait in memory for a slow stick.
// It promises nothing: only a sync does. It suits whoever writes forwards, in one place or in several.
func Written(f *os.File, off int64, n int) {
	from := off / stretch * stretch
	to := (off + int64(n)) / stretch * stretch
	if to > from {
		startWriteback(f, from, to-from)
	}
}

// WriteAt implements io.WriterAt.
func (o *Output) WriteAt(p []byte, off int64) (int, error) {
	n, err := o.File.WriteAt(p, off)
	Written(o.File, off, n)
	return n, err
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	n, err := o.File.Write(p)
	if end, serr := o.Seek(0, io.SeekCurrent); serr == nil {
		Written(o.File, end-int64(n), n)
	}
	return n, err
}
