package transfer

import (
	"context"
	"time"

	"drayage/internal/marks"
)

// Marked is implemented by files that remember, also when the process is killed, which of their blocks are whole. Of other files the caller
// of [Fill] knows how much is worth hashing.
type Marked interface {
	// Block is the length of a block.
	Block() int64
	// Mark is called when what lies between from and to has been written, concurrently for different blocks. Of the block that from is in,
	// all before it has been written too.
	Mark(from, to int64) error
	// Forget is called when what has been marked turns out to be worth nothing.
	Forget() error
}

const (
	// markEvery is how much of what a stream has written may have to come again after a kill, and markAfter after what time less is marked: with many
	// slow streams that counts. So marks are a write a MiB, or twenty a second.
	markEvery = 1 << 20
	markAfter = gatherFor
)

// marker marks what one stream writes.
type marker struct {
	file Marked // nil: nothing is remembered
	from int64  // up to where it is
	last time.Time
}

func newMarker(f File, from int64) *marker {
	m, _ := f.(Marked)
	return &marker{file: m, from: from, last: time.Now()}
}

// wrote is told that everything up to off is written, and marks it if it is time for that.
func (m *marker) wrote(off int64) error {
	if off-m.from < markEvery && time.Since(m.last) < markAfter {
		return nil
	}
	return m.flush(off)
}

func (m *marker) flush(off int64) error {
	if m.file == nil || off <= m.from {
		return nil
	}
	from := m.from
	m.from, m.last = off, time.Now()
	return m.file.Mark(from, off)
}

// blockOf is at what multiples the ranges of a file may end.
func blockOf(f File) int64 {
	if m, ok := f.(Marked); ok {
		return m.Block()
	}
	return 1
}

func forget(f File) error {
	if m, ok := f.(Marked); ok {
		return m.Forget()
	}
	return nil
}

// unhashed is how much of a prefix is worth keeping that could not be hashed to its end: nothing of what the disk does not give
// back, all of it if somebody has only lost patience.
func unhashed(ctx context.Context, f File, held int64) int64 {
	if ctx.Err() != nil {
		return held
	}
	forget(f) // or else the next try meets it again
	return 0
}

// piece is a range and, when done is closed, on disk.
type piece struct {
	marks.Span
	done chan struct{}
}

// split divides what is missing into ranges, which end with a block. All are these and what is known, in order.
func split(from, to int64, known []marks.Span, block int64) (all, missing []piece) {
	size := (to - from - marks.Sum(known)) / (maxStreams * rangesEach)
	size = max(min(max(size, minRange), maxRange), block)
	upTo := func(end int64) {
		for from < end {
			next := min((from+size)/block*block, end)
			missing = append(missing, piece{marks.Span{Off: from, End: next}, make(chan struct{})})
			all, from = append(all, missing[len(missing)-1]), next
		}
	}
	for _, k := range known {
		upTo(k.Off)
		s := piece{k, make(chan struct{})}
		close(s.done)
		all, from = append(all, s), k.End
	}
	upTo(to)
	return all, missing
}
