package transfer

import "time"

const (
	// A kill may lose what a stream has written since its last mark: markEvery bytes, or less if it took
	// markAfter. With many slow streams that counts. So each stream marks once a MiB, or twenty times a second.
	markEvery = 1 << 20
	markAfter = gatherFor
)

// marker marks what one stream writes.
type marker struct {
	file File
	from int64 // up to where it is marked
	last time.Time
}

func newMarker(f File, from int64) *marker { return &marker{file: f, from: from, last: time.Now()} }

// wrote is told that everything up to off is written, and marks it if it is time for that.
func (m *marker) wrote(off int64) error {
	if off-m.from < markEvery && time.Since(m.last) < markAfter {
		return nil
	}
	return m.flush(off)
}

func (m *marker) flush(off int64) error {
	if off <= m.from {
		return nil
	}
	from := m.from
	m.from, m.last = off, time.Now()
	return m.file.Mark(from, off)
}
