package layout

import (
	"encoding/binary"
	"os"

	"drayage/internal/durable"
)

// A partial file that is written out of order has a second one beside it, its mark, which holds how many bytes from the start
// are whole. It outlives the process, not a power cut: then the digest tells.

func (p *partial) markName() string { return p.name + ".mark" }

// held is how many bytes from the start of the partial file, of the given size, are worth hashing.
func (p *partial) held(size int64) int64 {
	raw, err := p.dir.root.ReadFile(p.markName())
	if err != nil {
		return size
	}
	if len(raw) != 8 {
		return 0
	}
	return min(size, max(int64(binary.LittleEndian.Uint64(raw)), 0))
}

func (p *partial) dropMark() { _ = p.dir.root.Remove(p.markName()) }

// markedFile is a partial file with its mark.
type markedFile struct {
	*os.File
	partial *partial
	mark    *os.File
}

// Mark implements transfer.Marked.
func (m *markedFile) Mark(n int64) (err error) {
	if m.mark == nil {
		if m.mark, err = m.partial.dir.root.OpenFile(m.partial.markName(), os.O_WRONLY|os.O_CREATE, 0o644); err != nil {
			return err
		}
	}
	var raw [8]byte
	binary.LittleEndian.PutUint64(raw[:], uint64(n))
	_, err = m.mark.WriteAt(raw[:], 0)
	return err
}

// close ends the marking; the partial file stays open.
func (m *markedFile) close() {
	if m.mark != nil {
		m.mark.Close()
	}
}

// WriteAt implements io.WriterAt.
func (m *markedFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := m.File.WriteAt(p, off)
	durable.Written(m.File, off, n)
	return n, err
}
