package klauspost

import "drayage/internal/deflate/coding"

// lazyBlocks decides on the blocks of levels 7 to 9, which have a number of tokens.
type lazyBlocks struct {
	writer
	*manner
	effort
	plain  bool // see era
	dict   int  // bytes of the dictionary of all parts but the first
	later  bool // a part has gone before
	tokens int
	begin  int // where the block begins, counted from the dictionary
	pos    int
	at     int // the place that the encoder looked at when it decided on the last token
	misses uint16
	leapt  int // literals that it decides on with the last one
}

// Begin starts a part.
func (w *lazyBlocks) Begin() {
	w.writer.begin()
	w.tokens, w.begin, w.pos, w.misses, w.leapt = 0, 0, 0, 0, 0
	if w.later {
		w.pos = w.dict
	}
	if !w.whole {
		w.begin = w.pos
	}
	w.later = true
}

// Add counts a token.
func (w *lazyBlocks) Add(t coding.Token) bool {
	next := w.pos + 1
	w.pos += t.Len()
	w.tokens++
	switch {
	case t.IsMatch():
		w.at, w.misses, w.leapt = next, 0, 0
	case w.leapt == 0:
		w.at = next
		w.misses++
		if n := w.leap(w.misses, w.chain); n > 0 {
			w.leapt = n + 1
		}
	case next >= bufferOf(w.at)+buffered-1:
		w.leapt = 0
	default:
		w.leapt--
	}
	return w.tokens == w.block
}

// Shape says how the block is written. One that begins before the encoder's buffer cannot be stored.
func (w *lazyBlocks) Shape(b *coding.Block) coding.Shape {
	low, final := w.buffer(b.Left)
	w.sync = final || b.End != coding.Full
	sized := *b
	sized.Size = w.pos - w.begin
	storable := w.begin >= low && sized.Size <= most
	tokens := w.tokens
	w.tokens, w.begin = 0, w.pos
	if w.plain {
		return w.alone(&sized, storable)
	}
	return w.shape(&sized, tokens, storable)
}

// buffer is where the encoder's buffer begins, and whether it holds all content. left is how many bytes of
// the content are left.
func (w *lazyBlocks) buffer(left int) (low int, final bool) {
	low = bufferOf(w.at)
	if left >= buffered {
		return low, false
	}
	end := w.pos + left
	for low > 0 && end <= low+coding.Window {
		low -= coding.Window
	}
	return low, end <= low+buffered
}

// alone says how early versions wrote a block.
func (w *lazyBlocks) alone(b *coding.Block, storable bool) coding.Shape {
	w.sync = true
	f := w.count(&b.Frequencies)
	extra := 0
	if storable {
		extra = f.ExtraBits()
	}
	s := coding.Shape{Kind: coding.Dynamic}
	w.lengths(f.Literals[:], 15, s.Literals[:])
	w.lengths(f.Distances[:], 15, s.Distances[:])
	size := w.header(&s, used(f.Literals[:]), used(f.Distances[:])) + f.Bits(&s.Code) + extra
	if fixed := 3 + f.Bits(&coding.FixedCode) + extra; fixed <= size {
		size, s = fixed, coding.Shape{Kind: coding.Fixed}
	}
	if storedBits(b.Size, storable) < size {
		return coding.Shape{Kind: coding.Stored}
	}
	return s
}
