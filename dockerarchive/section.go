package dockerarchive

import (
	"crypto/sha256"
	"encoding/binary"
	"io"

	"drayage/internal/marks"
	"drayage/internal/transfer"
)

// Span is a part of a blob, from Off up to End.
type Span = marks.Span

// Kept is implemented by files that remember from run to run which blocks of each part of them have been written. Nobody trusts them: what
// is kept is hashed before it counts.
type Kept interface {
	// Begin says what is going to be written and how long its parts are, and returns what is there of each, in order and without overlaps. A file that
	// holds something else is emptied.
	Begin(plan []byte, sizes []int64) (held [][]Span, err error)
	// Block is the length of the blocks of all parts, known after Begin; only the last one of a part may be shorter.
	Block() int64
	// Mark says that what lies between from and to of a part is there, and all before it of the block that from is in. It is called
	// concurrently for different blocks.
	Mark(part int, from, to int64) error
	// Forget says that nothing of a part is worth keeping.
	Forget(part int) error
}

// begin empties f, or finds out what of the same archive is in it. Everything that decides the places of the parts is in heads.
func begin(f OCIFile, heads []head, places []place) ([][]Span, error) {
	k, ok := f.(Kept)
	if !ok {
		return make([][]Span, len(places)), f.Truncate(0)
	}
	h := sha256.New()
	for _, part := range heads {
		binary.Write(h, binary.LittleEndian, part.off)
		h.Write(part.data)
	}
	var sizes []int64
	for _, p := range places {
		sizes = append(sizes, p.blob.desc.Size)
	}
	return k.Begin(h.Sum(nil), sizes)
}

// section is the part of a file in which one blob lies.
type section struct {
	f         OCIFile
	off, size int64
}

// newSection is the place of a blob, which has a number among the parts of f.
func newSection(f OCIFile, part int, p place) transfer.File {
	s := section{f, p.off, p.blob.desc.Size}
	if kept, ok := f.(Kept); ok {
		return &keptSection{s, kept, part}
	}
	return &s
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
	return s.f.WriteAt(p, s.off+off)
}

// keptSection is a part of which it is remembered what is there.
type keptSection struct {
	section
	kept Kept
	part int
}

var _ transfer.Marked = (*keptSection)(nil)

// Block implements transfer.Marked.
func (s *keptSection) Block() int64 { return s.kept.Block() }

// Mark implements transfer.Marked.
func (s *keptSection) Mark(from, to int64) error { return s.kept.Mark(s.part, from, to) }

// Forget implements transfer.Marked.
func (s *keptSection) Forget() error { return s.kept.Forget(s.part) }
