package volume

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
)

// readSize is how much of a file is read at once.
const readSize = 256 << 10

// errNotRegular is about what is no regular file, and errChanged about a file that is replaced meanwhile.
var (
	errLink       = errors.New("a link")
	errFolder     = errors.New("a folder")
	errNotRegular = errors.New("no regular file")
	errChanged    = errors.New("it was replaced just now")
)

// openRegular opens a regular file. It follows no link and opens nothing that could let it wait, such as a
// named pipe.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	before, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, nil, err
	case before.Mode()&fs.ModeSymlink != 0:
		return nil, nil, errLink
	case before.IsDir():
		return nil, nil, errFolder
	case !before.Mode().IsRegular():
		return nil, nil, errNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = errChanged
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, after, nil
}

// hashAt hashes size bytes of a file by way of buf. stop is asked before each piece.
func hashAt(
	r io.ReaderAt, offset, size int64, buf []byte, stop func() error,
) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	for size > 0 {
		if err := stop(); err != nil {
			return sum, err
		}
		p := buf[:min(int64(len(buf)), size)]
		if err := readFull(r, p, offset); err != nil {
			return sum, err
		}
		h.Write(p)
		offset, size = offset+int64(len(p)), size-int64(len(p))
	}
	return sumOf(h), nil
}

func sumOf(h hash.Hash) (sum [sha256.Size]byte) {
	h.Sum(sum[:0])
	return sum
}

// readFull fills p. A file that ends before that is an error.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	switch {
	case n == len(p):
		return nil
	case err == nil || err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}
