package dockerarchive

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"sync"
)

// Kept is implemented by files that remember from run to run how much of each part of them has been written. Nobody trusts them: what
// is kept is hashed before it counts.
type Kept interface {
	// Begin says what is going to be written, of how many parts it is made, and returns how many bytes from the start of each are there. A file that
	// holds something else is emptied.
	Begin(plan []byte, parts int) (held []int64, err error)
	// Mark says that the first n bytes of a part are there. It is called concurrently for different parts.
	Mark(part int, n int64) error
}

// begin empties f, or finds out what of the same archive is in it. Everything that decides the places of the parts is in heads.
func begin(f OCIFile, heads []head, parts int) ([]int64, error) {
	k, ok := f.(Kept)
	if !ok {
		return make([]int64, parts), f.Truncate(0)
	}
	h := sha256.New()
	for _, part := range heads {
		binary.Write(h, binary.LittleEndian, part.off)
		h.Write(part.data)
	}
	return k.Begin(h.Sum(nil), parts)
}

// markEvery is how many bytes of a part may be lost when the process is killed.
const markEvery = 1 << 20

// section is the part of a file in which one blob lies.
type section struct {
	f         OCIFile
	off, size int64
	part      int
	kept      Kept // nil: nothing is remembered

	mu     sync.Mutex
	whole  int64 // bytes from the start that are there
	marked int64 // as remembered
}

func newSection(f OCIFile, part int, p place, held int64) *section {
	kept, _ := f.(Kept)
	held = min(max(held, 0), p.blob.desc.Size)
	return &section{f: f, off: p.off, size: p.blob.desc.Size, part: part, kept: kept, whole: held, marked: held}
}

// ReadAt implements io.ReaderAt.
func (s *section) ReadAt(p []byte, off int64) (int, error) {
	return io.NewSectionReader(s.f, s.off, s.size).ReadAt(p, off)
}

// WriteAt implements io.WriterAt. The verified reader before it never delivers more than the blob's size.
func (s *section) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > s.size {
		return 0, io.ErrShortWrite
	}
	n, err := s.f.WriteAt(p, s.off+off)
	if err != nil || s.kept == nil {
		return n, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if off == s.whole {
		s.whole += int64(n)
	}
	if s.whole-s.marked < markEvery && s.whole < s.size || s.whole == s.marked {
		return n, nil
	}
	return n, s.mark(s.whole)
}

// Mark implements transfer.Marked.
func (s *section) Mark(n int64) error {
	if s.kept == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == 0 || n > s.whole {
		s.whole = n
	}
	return s.mark(s.whole)
}

func (s *section) mark(n int64) error {
	s.marked = n
	return s.kept.Mark(s.part, n)
}
