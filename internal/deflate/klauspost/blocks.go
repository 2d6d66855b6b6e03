package klauspost

import "drayage/internal/deflate/coding"

const (
	most      = 65535 // bytes of a stored block
	fewTokens = 250   // blocks of fewer may use the fixed codes
)

// writer decides how blocks are written. It follows what the encoder keeps from one block to the next: the
// codes of a block that has not ended yet, and may go on.
type writer struct {
	coder
	era     *era
	penalty int // new codes are expected to take 1 / 2^penalty more than they should

	open    coding.Code
	bits    int  // size of the header of the open block; zero if none is open
	bytes   bool // the open block has codes for literals alone
	alike   bool // blocks without matches are written as others are
	sync    bool // the block that is shaped ends with a flush
	counts  coding.Frequencies
	symbols []coding.HeaderSymbol
}

// begin starts a part.
func (w *writer) begin() { w.bits = 0 }

// Wrote learns how the block was written.
func (w *writer) Wrote(s *coding.Shape) {
	switch {
	case s.Kind == coding.Stored, s.Kind == coding.Fixed, w.sync:
		w.bits = 0
	case s.Kind == coding.Dynamic:
		again := *s
		w.bits = w.header(&again, s.Header.Literals, s.Header.Distances)
		w.open = s.Code
		w.bytes = !w.alike && s.Header.Literals == coding.EndBlock+1 && s.Header.Distances == 1
	}
}

// shape says how a block of tokens is written that has matches in it.
func (w *writer) shape(b *coding.Block, tokens int, storable bool) coding.Shape {
	f := w.count(&b.Frequencies)
	if w.era.filled {
		return w.shapeFilled(b, f, tokens, storable)
	}
	if w.sync {
		tokens++
	}
	stored := storedBits(b.Size, storable)
	goesOn := w.bits > 0 && !w.bytes && w.covers(&b.Frequencies)
	extra := 0
	if storable || goesOn {
		extra = f.ExtraBits()
	}
	if goesOn {
		kept := f.Bits(&w.open) + extra
		fresh := w.bits + w.era.estimate(f, tokens)
		fresh += int(w.open.Literals[coding.EndBlock]) + fresh>>w.penalty
		size := min(kept, fresh)
		if fixedSize := 3 + 7 + f.Bits(&coding.FixedCode) + extra; tokens < fewTokens && fixedSize < size {
			return storedOr(coding.Fixed, stored <= size)
		}
		if stored <= size {
			return coding.Shape{Kind: coding.Stored}
		}
		if kept <= fresh {
			return coding.Shape{Kind: coding.Continued}
		}
	}
	return w.fresh(f, tokens, extra, stored)
}

// fresh says how a block with codes of its own is written.
func (w *writer) fresh(f *coding.Frequencies, tokens, extra, stored int) coding.Shape {
	f.Literals[coding.EndBlock] = 1
	s := coding.Shape{Kind: coding.Dynamic}
	w.lengths(f.Literals[:], 15, s.Literals[:])
	w.lengths(f.Distances[:], 15, s.Distances[:])
	literals, distances := coding.Literals, coding.Distances
	if w.sync || w.era.trimmed {
		literals, distances = used(f.Literals[:]), used(f.Distances[:])
	}
	size := w.header(&s, literals, distances) + f.Bits(&s.Code) + extra
	if fixedSize := 3 + f.Bits(&coding.FixedCode) + extra; tokens < fewTokens && fixedSize <= size {
		return storedOr(coding.Fixed, stored <= fixedSize)
	}
	if stored <= size {
		return coding.Shape{Kind: coding.Stored}
	}
	return s
}

// literals says how bytes are written if no match pays.
func (w *writer) literals(b *coding.Block) coding.Shape {
	stored := storedBits(b.Size, b.Size <= most)
	if !w.era.filled && b.Size <= most && b.Size > 1024 && even(&b.Frequencies, b.Size) {
		return coding.Shape{Kind: coding.Stored}
	}
	f := &w.counts
	*f = coding.Frequencies{}
	copy(f.Literals[:coding.EndBlock], b.Literals[:])
	if w.era.early != later {
		return w.literalsEarly(f, b.Size, stored)
	}
	f.Literals[coding.EndBlock] = 1
	s := coding.Shape{Kind: coding.Dynamic}
	w.lengths(f.Literals[:], 15, s.Literals[:])
	fresh := f.Bits(&s.Code) + w.bits
	if w.bits == 0 {
		fresh += guessedHeader
	}
	fresh += fresh >> w.penalty
	if stored <= fresh {
		return coding.Shape{Kind: coding.Stored}
	}
	f.Literals[coding.EndBlock] = 0
	if w.bits > 0 && w.covers(f) && f.Bits(&w.open) <= fresh {
		return coding.Shape{Kind: coding.Continued}
	}
	s.Distances[0] = 1
	w.header(&s, coding.EndBlock+1, 1)
	return s
}

// guessedHeader is how many bits a header is thought to take before one is made.
const guessedHeader = 560

// even reports whether the bytes are all so equally frequent that it is noise.
func even(f *coding.Frequencies, size int) bool {
	sum, mean, limit := float64(0), float64(size)/256, float64(2*size)
	for _, n := range f.Literals[:coding.EndBlock] {
		off := float64(n) - mean
		sum += float64(off * off)
	}
	return sum < limit
}

func storedOr(other coding.Kind, stored bool) coding.Shape {
	if stored {
		return coding.Shape{Kind: coding.Stored}
	}
	return coding.Shape{Kind: other}
}
