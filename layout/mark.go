package layout

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"drayage/internal/durable"
	"drayage/internal/marks"
	"drayage/internal/transfer"
)

// The partial file of a large blob, which may be written out of order, has a second one beside it, its mark, which says which of its blocks
// are whole. It outlives the process, not a power cut: then the digest tells. Of a partial file without a mark its size says that.

// markHeader begins a mark. It is written last, so that a mark without it says nothing yet.
const markHeader = "drayage marks 1\n"

func (p *partial) markName() string { return p.name + ".mark" }

func (p *partial) dropMark() { _ = p.dir.root.Remove(p.markName()) }

// markedFile is a partial file with its mark.
type markedFile struct {
	*os.File
	*marks.Map
	mark *os.File
}

var _ transfer.Marked = (*markedFile)(nil)

// WriteAt implements io.WriterAt.
func (m *markedFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := m.File.WriteAt(p, off)
	durable.Written(m.File, off, n)
	return n, err
}

// marked opens the mark of the partial file, which has so many bytes, and returns what of these is worth hashing. The caller closes
// the mark; the partial file stays open.
func (p *partial) marked(size int64) (*markedFile, []marks.Span, error) {
	if fi, err := p.dir.root.Lstat(p.markName()); err == nil && !fi.Mode().IsRegular() {
		p.dropMark()
	}
	mark, err := p.dir.root.OpenFile(p.markName(), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, err
	}
	m := &markedFile{p.file, p.newMap(mark), mark}
	held, err := p.heldBy(m, size)
	if err != nil {
		mark.Close()
		return nil, nil, err
	}
	return m, held, nil
}

func (p *partial) newMap(mark *os.File) *marks.Map {
	return marks.New(mark, int64(len(markHeader)), p.desc.Size, marks.Block(p.desc.Size))
}

// heldBy reads a mark, or begins one that says nothing yet.
func (p *partial) heldBy(m *markedFile, size int64) ([]marks.Span, error) {
	if hasHeader(m.mark) {
		all := m.Spans()
		held := marks.Clip(all, size)
		if marks.End(all) > size { // the partial file is not the one that was marked
			return held, errors.Join(m.Forget(), m.markAll(held))
		}
		return held, nil
	}
	if old, ok := readOldMark(m.mark); ok {
		size = min(size, old)
		if err := m.Truncate(size); err != nil {
			return nil, err
		}
	}
	if size > p.desc.Size {
		size = 0 // it is none of this blob
	}
	held := marks.Prefix(size)
	if err := errors.Join(m.mark.Truncate(0), m.markAll(held)); err != nil {
		return nil, err
	}
	_, err := m.mark.WriteAt([]byte(markHeader), 0)
	return held, err
}

func hasHeader(mark io.ReaderAt) bool {
	header := make([]byte, len(markHeader))
	_, err := mark.ReadAt(header, 0)
	return err == nil && string(header) == markHeader
}

// readOldMark reads the mark of an earlier version: how many bytes from the start are whole.
func readOldMark(mark io.ReaderAt) (prefix int64, ok bool) {
	b := make([]byte, 9)
	if n, err := mark.ReadAt(b, 0); n != 8 || err != io.EOF {
		return 0, false
	}
	return max(int64(binary.LittleEndian.Uint64(b)), 0), true
}

func (m *markedFile) markAll(held []marks.Span) error {
	for _, s := range held {
		if err := m.Mark(s.Off, s.End); err != nil {
			return err
		}
	}
	return nil
}

// close ends the marking and returns where the marks end. The nil file has none.
func (m *markedFile) close() (end int64) {
	if m == nil {
		return 0
	}
	end = marks.End(m.Spans())
	m.mark.Close()
	return end
}
