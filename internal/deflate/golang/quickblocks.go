package golang

import "drayage/internal/deflate/coding"

// quickBlocks is the coding.Blocks of quick. A block has a chunk of content.
type quickBlocks struct {
	tables
	level  int
	seeker *seeker // made when it is needed
	size   int
	tokens int
	past   []byte // some chunks before the block, and the block
	offset int64  // where past begins
	seen   int64  // up to where the seeker has looked
}

// pastChunks is how many chunks are kept. Whether the encoder finds a match depends on which positions it
// noted before, and so on what it found there. Half of the chunks are dropped at a time: twofold moves what
// it keeps behind the first that stays.
const pastChunks = 8

func (b *quickBlocks) Begin() {
	b.begin()
	b.size, b.tokens, b.past, b.offset, b.seen = 0, 0, b.past[:0], 0, -1
}

func (b *quickBlocks) Add(t coding.Token) bool {
	b.size += t.Len()
	b.tokens++
	return b.size >= chunk
}

func (b *quickBlocks) Shape(block *coding.Block) coding.Shape {
	b.remember(block.Content)
	tokens := b.tokens
	b.sync = block.Left == 0
	b.size, b.tokens = 0, 0
	if block.Content == nil || block.Size > chunk {
		return b.shape(block, tokens, false)
	}
	switch {
	case block.Size <= 32:
		return coding.Shape{Kind: coding.Stored}
	case block.Size < leastFast:
		return b.onlyLiterals(block)
	case tokens <= block.Size-block.Size>>4:
		return b.shape(block, tokens, true)
	}
	shape := b.onlyLiterals(block)
	if shape.Kind != coding.Stored && !b.matches(len(b.past)-block.Size) {
		return coding.Shape{Kind: coding.Stored}
	}
	return shape
}

// remember keeps the block. Chunks before one that the encoder does not end are of no use.
func (b *quickBlocks) remember(content []byte) {
	switch {
	case len(b.past)%chunk != 0 || len(content) > chunk:
		b.past, b.seen = b.past[:0], -1
	case len(b.past) == pastChunks*chunk:
		const dropped = pastChunks / 2 * chunk
		b.past = b.past[:copy(b.past, b.past[dropped:])]
		b.offset += dropped
	}
	b.past = append(b.past, content...)
}

// matches reports whether the encoder finds a match in the block, which begins there in past. The encoder
// stores chunks without any.
func (b *quickBlocks) matches(begin int) bool {
	if b.seeker == nil {
		b.seeker = &seeker{finder: finders[b.level]()}
	}
	s, end := b.seeker, len(b.past)
	st := coding.Stretch{Data: b.past, To: end, Offset: b.offset, End: true}
	if b.seen == b.offset+int64(begin) {
		st.From = begin
		s.Slide(st)
	} else {
		s.Begin(st)
	}
	for s.pos < end {
		s.queue = s.queue[:0]
		s.chunk()
		s.pos = s.limit
	}
	b.seen = b.offset + int64(end)
	return s.found
}
