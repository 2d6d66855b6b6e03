package zlib

import "drayage/internal/deflate/coding"

// blocks ends a block when the buffer of its symbols is full. GNU gzip also ends one early, at every 4,096th
// symbol, when it is compressed to half.
type blocks struct {
	model
	tables

	symbols, full int
	matches       int
	bits          int // what the distances take, by gzip's guess

	parts    int
	position int64 // in the window, had it not moved
	start    int64 // of the block
	top      int64 // where the encoder stood when it wrote the last token
	tops     tops
}

const earlyCheck = 4096

// Blocks implements coding.Model.
func (m model) Blocks() coding.Blocks {
	b := &blocks{model: m, full: 1<<(m.memory+6) - 1}
	if m.gnu {
		b.full = 1<<15 - 1
	}
	return b
}

// Begin implements coding.Blocks.
func (b *blocks) Begin() {
	b.position = 0
	if b.parts > 0 {
		b.position = windowSize // the dictionary
	}
	b.start, b.top = b.position, b.position
	b.clear()
	b.parts++
}

// Add implements coding.Blocks.
func (b *blocks) Add(t coding.Token) bool {
	b.top = b.position
	if levels[b.level].slow {
		b.top++ // it has looked at the next position
	}
	b.position += int64(t.Len())
	b.symbols++
	if !b.gnu {
		return b.symbols == b.full
	}
	b.tops.add(b.top)
	if t.IsMatch() {
		b.matches++
		b.bits += 5 + int(coding.DistanceExtra[coding.DistanceSymbol(t.Distance())])
	}
	return b.symbols == b.full || b.level > 2 && b.symbols%earlyCheck == 0 && b.early()
}

// early reports whether gzip ends the block because it is compressed well, but not by many matches.
func (b *blocks) early() bool {
	size := (b.symbols*8 + b.bits) / 8
	return b.matches < b.symbols/2 && size < int(b.top-b.start)/2
}

// Shape implements coding.Blocks.
func (b *blocks) Shape(block *coding.Block) coding.Shape {
	shape := b.shape(block, b.start >= b.window(block.End))
	b.start = b.position
	b.clear()
	return shape
}

// Wrote implements coding.Blocks.
func (b *blocks) Wrote(*coding.Shape) {}

func (b *blocks) clear() { b.symbols, b.matches, b.bits = 0, 0, 0 }

// window says where the encoder's window begins. It cannot store a block that begins before it.
func (b *blocks) window(end coding.End) int64 {
	switch {
	case end == coding.Full:
		return base(b.top, moves)
	case b.gnu:
		return base(b.tops.first(b.position-minLookahead), movesEnd)
	}
	return base(b.position, movesEnd)
}

// tops are the last places where the encoder stood.
type tops struct {
	ring [512]int64
	n    int
}

func (t *tops) add(top int64) {
	t.ring[t.n%len(t.ring)] = top
	t.n++
}

// first is the first one behind a position. The end of the content is less than half a ring behind it.
func (t *tops) first(position int64) int64 {
	i := max(0, t.n-len(t.ring)/2-8)
	for ; i < t.n-1 && t.ring[i%len(t.ring)] <= position; i++ {
	}
	return t.ring[i%len(t.ring)]
}
