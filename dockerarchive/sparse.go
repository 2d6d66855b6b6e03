package dockerarchive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
)

// Limits on files with holes, which a small archive can claim to be of any size: all of them together may have what gzip
// could have packed into the archive, or this much.
const (
	maxHoles  = 64 << 30
	maxPacked = 1032 // gzip's best ratio
)

// isSparse reports whether the file is stored without its holes, as tar -S does it, in any of the ways in which GNU tar ever wrote that
// (https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html).
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

// addSparse notes what a file with holes claims to be.
func (a *Reader) addSparse(h *tar.Header) error {
	limit := max(maxHoles, a.size*maxPacked)
	if h.Size > limit-a.holes {
		return fmt.Errorf("entry %q is sparse and has %d bytes: with the others that are too many for an archive of %d bytes", h.Name, h.Size, a.size)
	}
	a.holes += h.Size
	return nil
}

// heads notes where the header of an entry begins, which tar.Reader does not tell.
type heads struct {
	*io.SectionReader
	wanted bool
	head   int64 // of the last entry
}

// Read implements io.Reader. A header is the first thing of a block's size that is read when an entry is asked for.
func (h *heads) Read(p []byte) (int, error) {
	if h.wanted && len(p) == blockSize {
		at, err := h.Seek(0, io.SeekCurrent)
		if err != nil {
			return 0, err
		}
		h.head, h.wanted = at, false
	}
	return h.SectionReader.Read(p)
}

// sparseFile is a file with holes. It is read forwards: what lies before is reached by beginning again.
type sparseFile struct {
	s *stored

	mu sync.Mutex
	r  io.Reader // nil: to be opened
	at int64
}

// ReadAt implements io.ReaderAt.
func (f *sparseFile) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off >= f.s.size {
		return 0, io.EOF
	}
	if err := f.reach(off); err != nil {
		f.r = nil
		return 0, err
	}
	want := min(int64(len(p)), f.s.size-off)
	n, err := io.ReadFull(f.r, p[:want])
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

// sparseError tells an archive that is wrong from a file that cannot be read.
func sparseError(err error) error {
	if errors.As(err, new(*fs.PathError)) {
		return err
	}
	return fmt.Errorf("archive is damaged in a sparse file: %v: %w", err, ErrIntegrity)
}

// reach brings the stream to off.
func (f *sparseFile) reach(off int64) error {
	if f.r == nil || off < f.at {
		tr := tar.NewReader(io.NewSectionReader(f.s.a.r, f.s.offset, f.s.a.size-f.s.offset))
		h, err := tr.Next()
		if err != nil {
			return sparseError(err)
		}
		if !isSparse(h) || h.Size != f.s.size {
			return fmt.Errorf("archive has changed while it was read: %w", ErrIntegrity)
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
