// Package marks remembers which spans of a file that is written out of order are there. The file consists
// of parts, each the place of one blob. A second file beside it has one byte for each block of each part.
//
// A byte is written after its block, so that a process that is killed leaves no mark of what is not there.
// Nothing is synced: after a power cut the marks may promise too much. So nobody may trust what is marked
// before its digest has been compared.
package marks

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	// minBlock is the length of a block in bytes. Blocks are longer where there would be more than maxBlocks.
	minBlock  = 64 << 10
	maxBlocks = 1 << 20
	// maxSpans bounds what is read of one part: parallel streams leave a few dozen.
	maxSpans = 4096
	// maxParts and maxTotal bound a file of marks; maxTotal is in bytes of all parts.
	maxParts = 1 << 20
	maxTotal = 1 << 52
	// there is the mark of a block. Any other byte means that the block is not there.
	there = 1
)

// header begins a file of marks. The plan follows, then the marks of the parts.
const header = "drayage marks 1\n"

// Set is an open file of marks. The methods of its parts may be called concurrently for different blocks.
type Set struct {
	file  *os.File
	start []byte // header and plan
	block int64
	at    []int64 // where the marks of each part begin, and where the last ones end
	sizes []int64
}

// New describes the marks of a file that consists of parts of the given sizes, in bytes, and keeps them in
// f. The plan stands for all else that decides what the parts hold. Begin or Found must be called next.
func New(f *os.File, plan []byte, sizes ...int64) (*Set, error) {
	if len(sizes) > maxParts {
		return nil, fmt.Errorf("%d parts are too many", len(sizes))
	}
	total := int64(0)
	for _, n := range sizes {
		if n < 0 || n > maxTotal-total {
			return nil, errors.New("its parts are too large")
		}
		total += n
	}
	s := &Set{file: f, start: append([]byte(header), plan...), block: minBlock, sizes: sizes}
	for total/s.block >= maxBlocks {
		s.block *= 2
	}
	at := int64(len(s.start))
	for _, n := range sizes {
		s.at = append(s.at, at)
		at += (n + s.block - 1) / s.block
	}
	s.at = append(s.at, at)
	return s, nil
}

// Found reports whether the file has the marks of an earlier run with the same plan and sizes.
func (s *Set) Found() bool {
	fi, err := s.file.Stat()
	if err != nil || fi.Size() != s.at[len(s.sizes)] {
		return false
	}
	found := make([]byte, len(s.start))
	_, err = s.file.ReadAt(found, 0)
	return err == nil && bytes.Equal(found, s.start)
}

// Begin empties the file of marks: no block of any part is there.
func (s *Set) Begin() error {
	if err := s.file.Truncate(0); err != nil {
		return err
	}
	empty := make([]byte, s.at[len(s.sizes)]) // written, because not every file system extends a file unwritten
	copy(empty, s.start)
	_, err := s.file.WriteAt(empty, 0)
	return err
}

// Sum is how many bytes are marked in all parts together.
func (s *Set) Sum() (n int64) {
	for i := range s.sizes {
		n += Sum(s.spans(i))
	}
	return n
}

// put writes a mark for the blocks of a part from first up to last: a MiB at most, see maxBlocks.
func (s *Set) put(part int, first, last int64, mark byte) error {
	if first >= last {
		return nil
	}
	_, err := s.file.WriteAt(bytes.Repeat([]byte{mark}, int(last-first)), s.at[part]+first)
	return err
}

// spans returns what is marked of a part, in order. What cannot be read is not marked.
func (s *Set) spans(part int) (all []Span) {
	size := s.sizes[part]
	r := bufio.NewReader(io.NewSectionReader(s.file, s.at[part], s.at[part+1]-s.at[part]))
	for off := int64(0); off < size; off += s.block {
		b, err := r.ReadByte()
		if err != nil {
			break
		}
		end, n := min(off+s.block, size), len(all)
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
