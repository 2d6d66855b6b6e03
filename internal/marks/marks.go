// Package marks remembers which parts of a file that is written out of order are there: one byte for each block, in a file beside it.
// A byte is written when its block has been, so that a process that is killed leaves no mark of what is not there. Nothing is synced: after
// a power cut the marks may say too much, as the digest of the whole then tells.
package marks

import (
	"bufio"
	"bytes"
	"io"
)

const (
	// minBlock is the length of a block; of what is so large that there would be more than maxBlocks they are longer.
	minBlock  = 64 << 10
	maxBlocks = 1 << 20
	// maxSpans bounds what is read from a file of marks: parallel streams leave a few dozen.
	maxSpans = 4096
	// there is the mark of a block; everything else means that it is not there.
	there = 1
)

// Block is the length of the blocks of something that has so many bytes in all.
func Block(total int64) int64 {
	b := int64(minBlock)
	for total/b >= maxBlocks {
		b *= 2
	}
	return b
}

// File is where marks are kept.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// Map is the marks of one blob. Its methods may be called concurrently for different blocks.
type Map struct {
	file            File
	at, size, block int64
}

// New is the map of a blob of a size, whose marks begin at an offset of a file, with blocks of a length.
func New(f File, at, size, block int64) *Map { return &Map{f, at, size, block} }

// Block is the length of a block; the last one of a blob may be shorter.
func (m *Map) Block() int64 { return m.block }

// Len is how many bytes the marks take.
func (m *Map) Len() int64 { return (m.size + m.block - 1) / m.block }

// Mark remembers the blocks that end between from and to. The beginning of the first of them is there already, or begins at from.
func (m *Map) Mark(from, to int64) error {
	last := to / m.block
	if to >= m.size {
		last = m.Len()
	}
	return m.put(from/m.block, last, there)
}

// Forget takes all marks away.
func (m *Map) Forget() error { return m.put(0, m.Len(), 0) }

func (m *Map) put(first, last int64, mark byte) error {
	if first >= last {
		return nil
	}
	p := bytes.Repeat([]byte{mark}, int(min(last-first, 64<<10)))
	for ; first < last; first += int64(len(p)) {
		p = p[:min(int64(len(p)), last-first)]
		if _, err := m.file.WriteAt(p, m.at+first); err != nil {
			return err
		}
	}
	return nil
}

// Spans is what is marked, in order. What cannot be read is not marked.
func (m *Map) Spans() (all []Span) {
	r := bufio.NewReader(io.NewSectionReader(m.file, m.at, m.Len()))
	for off := int64(0); off < m.size; off += m.block {
		b, err := r.ReadByte()
		if err != nil {
			break
		}
		end, n := min(off+m.block, m.size), len(all)
		switch {
		case b != there:
		case n > 0 && all[n-1].End == off:
			all[n-1].End = end
		case n == maxSpans:
			return all
		default:
			all = append(all, Span{off, end})
		}
	}
	return all
}
