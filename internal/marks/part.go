package marks

import "io"

// File is what a part lies in.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// Part is the place of one blob in a file, with what is known of it. Offsets count from the beginning of
// the part.
type Part struct {
	file      File
	off, size int64
	set       *Set // nil: nothing is remembered
	number    int
	held      []Span
}

// NewPart returns the part of f that begins at off and has size bytes. Held is what an earlier run has left
// there. Of such a part nothing is remembered.
func NewPart(f File, off, size int64, held []Span) *Part {
	return &Part{file: f, off: off, size: size, held: held}
}

// Part returns the part with a number, which begins at off in f.
func (s *Set) Part(number int, f File, off int64) *Part {
	return &Part{f, off, s.sizes[number], s, number, s.spans(number)}
}

// Held is what an earlier run has left, in order and without overlaps.
func (p *Part) Held() []Span { return p.held }

// Block is the length of a block in bytes; the last block of a part may be shorter.
func (p *Part) Block() int64 {
	if p.set == nil {
		return 1
	}
	return p.set.block
}

// Mark remembers the blocks that end between from and to, after these bytes have been written. Of the block
// that from is in, all before from must have been written too.
func (p *Part) Mark(from, to int64) error {
	if p.set == nil {
		return nil
	}
	last := to / p.set.block
	if to >= p.size {
		last = p.blocks()
	}
	return p.set.put(p.number, from/p.set.block, last, there)
}

// Forget takes all marks away: what has been marked is worth nothing.
func (p *Part) Forget() error {
	if p.set == nil {
		return nil
	}
	return p.set.put(p.number, 0, p.blocks(), 0)
}

// Trim takes away the marks of what an earlier run has left beyond the first size bytes.
func (p *Part) Trim(size int64) error {
	if End(p.held) <= size {
		return nil
	}
	first := size / p.set.block
	p.held = Clip(p.held, first*p.set.block)
	return p.set.put(p.number, first, p.blocks(), 0)
}

func (p *Part) blocks() int64 { return (p.size + p.set.block - 1) / p.set.block }

func (p *Part) ReadAt(b []byte, off int64) (int, error) {
	return io.NewSectionReader(p.file, p.off, p.size).ReadAt(b, off)
}

// WriteAt refuses what lies outside of the part.
func (p *Part) WriteAt(b []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(b)) > p.size {
		return 0, io.ErrShortWrite
	}
	return p.file.WriteAt(b, p.off+off)
}
