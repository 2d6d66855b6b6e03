package golang

import (
	"strconv"

	"drayage/internal/deflate/coding"
)

// chained models levels 2 to 9 up to Go 1.26. They look for matches along chains of the positions whose next
// four bytes have the same hash, in a buffer of twice the window.
type chained struct{ level int }

// effort is how hard a level tries.
type effort struct {
	// lazy is the length from which a match is taken without a look at the next position. Zero means that
	// every match is.
	lazy  int
	nice  int // a match of this length ends the search
	chain int // how many positions of a chain are looked at
	// dense is up to which length all positions of a match are put in chains, at the levels that are not lazy.
	dense int
}

var efforts = [10]effort{
	2: {nice: 16, chain: 8, dense: 5},
	3: {nice: 32, chain: 32, dense: 6},
	4: {lazy: 4, nice: 16, chain: 16},
	5: {lazy: 16, nice: 32, chain: 32},
	6: {lazy: 16, nice: 128, chain: 128},
	7: {lazy: 32, nice: 128, chain: 256},
	8: {lazy: 128, nice: 258, chain: 1024},
	9: {lazy: 258, nice: 258, chain: 4096},
}

func (m chained) Name() string { return release(false) + "-" + strconv.Itoa(m.level) }

func (m chained) Framing() coding.Framing {
	return coding.Framing{Closing: ending(false), Serial: efforts[m.level].lazy == 0}
}

func (m chained) Predictor() coding.Predictor { return &chains{effort: efforts[m.level]} }

func (m chained) Blocks() coding.Blocks { return &chainedBlocks{lazy: efforts[m.level].lazy > 0} }

const (
	chainedTokens = 1 << 14 // how many tokens a block has

	// The encoder moves its buffer by a window when it stands this far in it, or farther: less than the
	// longest match and the shortest then follow.
	moveAt = 2*coding.Window - coding.MaxMatch - minMatch + 1
)

// buffer is where the encoder's buffer stands in the content.
type buffer struct{ start int64 }

// reach tells that the encoder looks at pos. It moves the buffer if need be.
func (b *buffer) reach(pos int64) {
	for pos >= b.start+moveAt {
		b.start += coding.Window
	}
}

// end tells that the content ends at pos. The encoder does not move its buffer where no more follows than it
// holds.
func (b *buffer) end(pos int64) {
	if b.start > 0 && pos <= b.start+coding.Window {
		b.start -= coding.Window
	}
}

// ending tells that so many bytes of content follow pos, and whether the buffer holds them.
func (b *buffer) ending(pos int64, left int) bool {
	if left >= 2*coding.Window {
		return false
	}
	b.end(pos + int64(left))
	return pos+int64(left) <= b.start+2*coding.Window
}

// chainedBlocks is the coding.Blocks of chained.
type chainedBlocks struct {
	lazy bool
	coder
	buffer buffer
	tokens int
	begin  int64 // where the block begins in the content
	pos    int64
}

func (b *chainedBlocks) Begin() {
	b.buffer, b.tokens, b.begin, b.pos = buffer{}, 0, 0, 0
}

func (b *chainedBlocks) Add(t coding.Token) bool {
	at := b.pos
	if b.lazy {
		at++ // a token is decided on at the next position
	}
	b.buffer.reach(at)
	b.pos += int64(t.Len())
	b.tokens++
	return b.tokens == chainedTokens
}

// Shape takes the smallest way to write the block. A block that begins before the buffer cannot be stored.
func (b *chainedBlocks) Shape(block *coding.Block) coding.Shape {
	b.buffer.ending(b.pos, block.Left)
	storable := b.begin >= b.buffer.start && block.Content != nil && block.Size <= chunk
	b.begin, b.tokens = b.pos, 0

	shape, size := b.dynamic(&block.Frequencies)
	size += block.Frequencies.ExtraBits()
	if fixed := fixedSize(&block.Frequencies); fixed <= size {
		shape, size = coding.Shape{Kind: coding.Fixed}, fixed
	}
	if storable && storedSize(block.Size) < size {
		return coding.Shape{Kind: coding.Stored}
	}
	return shape
}

func (b *chainedBlocks) Wrote(*coding.Shape) {}
