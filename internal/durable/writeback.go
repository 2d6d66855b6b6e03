package durable

import (
	"io"
	"os"
)

// stretch is how much is written before the disk is told to begin with it, in bytes.
const stretch = 16 << 20

// File is a file that is written forwards, in one place or in several. As soon as a stretch is full, it lets
// the system bring that to the disk. So a sync at the end finds little left to do, and what was reported as
// written does not all wait in memory for a slow stick. That promises nothing: only a sync does.
type File struct{ *os.File }

func (f File) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	f.written(off, n)
	return n, err
}

func (f File) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if end, serr := f.Seek(0, io.SeekCurrent); serr == nil {
		f.written(end-int64(n), n)
	}
	return n, err
}

func (f File) written(off int64, n int) {
	from := off / stretch * stretch
	to := (off + int64(n)) / stretch * stretch
	if to > from {
		startWriteback(f.File, from, to-from)
	}
}
