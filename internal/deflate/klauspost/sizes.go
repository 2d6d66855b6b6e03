package klauspost

import (
	"math"

	"drayage/internal/deflate/coding"
)

// storedBits is what a block takes when it is stored.
func storedBits(size int, storable bool) int {
	if !storable {
		return math.MaxInt
	}
	return (size + 5) * 8
}

// covers reports whether the open block has codes for all symbols.
func (w *writer) covers(f *coding.Frequencies) bool {
	for i, n := range f.Literals {
		if n > 0 && w.open.Literals[i] == 0 {
			return false
		}
	}
	for i, n := range f.Distances {
		if n > 0 && w.open.Distances[i] == 0 {
			return false
		}
	}
	return true
}

// count returns how often the encoder thinks that symbols are used. It counts the end of the block, and a
// distance where there is none, only where it looks for the last symbol that is used.
func (w *writer) count(f *coding.Frequencies) *coding.Frequencies {
	w.counts = *f
	w.counts.Literals[coding.EndBlock] = 0
	if w.sync || w.era.trimmed {
		w.counts.Literals[coding.EndBlock] = 1
		if used(f.Distances[:]) == 0 {
			w.counts.Distances[0] = 1
		}
	}
	return &w.counts
}

// used is how many symbols there are up to the last one that is used.
func used(counts []uint32) int {
	n := len(counts)
	for n > 0 && counts[n-1] == 0 {
		n--
	}
	return n
}
