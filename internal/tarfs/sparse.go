package tarfs

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"sync"

	"drayage/internal/verify"
)

// A small tar can claim any size for sparse files. All of them together may have what gzip could have packed
// into the tar, or maxHoles.
const (
	maxHoles  = 64 << 30
	maxPacked = 1032 // gzip's best ratio
)

// isSparse reports whether a file is stored without its holes, as tar -S does it. GNU tar has written that in
// several ways (https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html).
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for _, key := range []string{"GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.map"} {
		if h.PAXRecords[key] != "" {
			return true
		}
	}
	return false
}

// headSeeker notes where the header of an entry begins, which tar.Reader does not tell.
type headSeeker struct {
	*io.SectionReader
	wanted bool
	head   int64 // of the last entry
}

// Read implements io.Reader. For each entry the first read of a block's size is the header.
func (h *headSeeker) Read(p []byte) (int, error) {
	if h.wanted && len(p) == blockSize {
		at, err := h.Seek(0, io.SeekCurrent)
		if err != nil {
			return 0, err
		}
		h.head, h.wanted = at, false
	}
	return h.SectionReader.Read(p)
}

// sparseFile is a sparse file with its holes. archive/tar reads it forwards. To go back it begins again.
type sparseFile struct {
	x     *Index
	entry Entry

	mu sync.Mutex
	r  io.Reader // nil: to be opened
	at int64
}

func (f *sparseFile) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off >= f.entry.Size {
		return 0, io.EOF
	}
	if err := f.reach(off); err != nil {
		f.r = nil
		return 0, err
	}
	n, err := io.ReadFull(f.r, p[:min(int64(len(p)), f.entry.Size-off)])
	f.at += int64(n)
	if err != nil {
		f.r = nil
		return n, sparseError(err)
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// sparseError tells a tar that is wrong from a file that cannot be read.
func sparseError(err error) error {
	if errors.As(err, new(*fs.PathError)) {
		return err
	}
	return verify.Mismatchf("archive is damaged in a sparse file: %v", err)
}

func (f *sparseFile) reach(off int64) error {
	if f.r == nil || off < f.at {
		tr := tar.NewReader(io.NewSectionReader(f.x.r, f.entry.Offset, f.x.size-f.entry.Offset))
		h, err := tr.Next()
		if err != nil {
			return sparseError(err)
		}
		if !isSparse(h) || h.Size != f.entry.Size {
			return verify.Mismatchf("archive has changed while it was read")
		}
		f.r, f.at = tr, 0
	}
	n, err := io.CopyN(io.Discard, f.r, off-f.at)
	f.at += n
	if err != nil {
		return sparseError(err)
	}
	return nil
}
