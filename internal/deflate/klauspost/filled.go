package klauspost

import "drayage/internal/deflate/coding"

// shapeFilled is how old versions wrote a block of tokens that has matches in it. All symbols have a code if
// the block may go on: those that are not used count once. A block is stored unless it saves a sixteenth.
func (w *writer) shapeFilled(b *coding.Block, f *coding.Frequencies, tokens int, storable bool) coding.Shape {
	if !w.sync {
		tokens += fill(f)
	}
	stored := storedBits(b.Size, storable)
	extra := f.ExtraBits()
	if w.bits > 0 && !w.bytes {
		kept := f.Bits(&w.open) + extra
		fresh := w.bits + w.era.estimate(f, tokens)
		fresh += fresh >> w.penalty
		if size := min(kept, fresh); stored < size+size>>4 {
			return coding.Shape{Kind: coding.Stored}
		}
		if kept <= fresh {
			return coding.Shape{Kind: coding.Continued}
		}
	}
	s := coding.Shape{Kind: coding.Dynamic}
	w.lengths(f.Literals[:], 15, s.Literals[:])
	w.lengths(f.Distances[:], 15, s.Distances[:])
	literals, distances := used(f.Literals[:]), used(f.Distances[:])
	if size := w.header(&s, literals, distances) + f.Bits(&s.Code) + extra; stored < size+size>>4 {
		return coding.Shape{Kind: coding.Stored}
	}
	return s
}

// fill counts all symbols that are not used as if they were used once. It returns how many literals and
// lengths these are.
func fill(f *coding.Frequencies) int {
	added := 0
	for i, n := range f.Literals {
		if n == 0 {
			f.Literals[i] = 1
			added++
		}
	}
	for i, n := range f.Distances {
		f.Distances[i] = max(n, 1)
	}
	return added
}

// literalsEarly is how early versions wrote bytes if no match pays.
func (w *writer) literalsEarly(f *coding.Frequencies, size, stored int) coding.Shape {
	fresh, unused := w.era.estimateBytes(f, size, !w.sync)
	fresh += w.bits
	if w.era.early == early {
		fresh += size / 32
	} else {
		fresh += 15
	}
	if w.bits == 0 {
		fresh += guessedHeader
	}
	fresh += fresh >> w.penalty
	if stored < fresh {
		return coding.Shape{Kind: coding.Stored}
	}
	if w.era.early == earliest {
		fresh += unused
		w.fillBytes(f)
	}
	if w.bits > 0 && f.Bits(&w.open) <= fresh {
		return coding.Shape{Kind: coding.Continued}
	}
	w.fillBytes(f)
	f.Literals[coding.EndBlock] = 1
	s := coding.Shape{Kind: coding.Dynamic}
	w.lengths(f.Literals[:], 15, s.Literals[:])
	s.Distances[0] = 1
	w.header(&s, coding.EndBlock+1, 1)
	return s
}

// fillBytes counts all bytes that are not used as if they were used once, if the block may go on.
func (w *writer) fillBytes(f *coding.Frequencies) {
	if w.sync {
		return
	}
	for i, n := range f.Literals[:coding.EndBlock] {
		f.Literals[i] = max(n, 1)
	}
}
