package golang

import "drayage/internal/deflate/coding"

// huffman models Go's HuffmanOnly, which looks for no matches.
type huffman struct{ go127 bool }

func (m huffman) Name() string { return release(m.go127) + "Huffman" }

func (m huffman) Framing() coding.Framing { return coding.Framing{Closing: ending(m.go127)} }

func (huffman) Predictor() coding.Predictor { return &literals{} }

func (m huffman) Blocks() coding.Blocks {
	if m.go127 {
		return &huffmanBlocks{tables: tables{penalty: 10}}
	}
	return &chunkBlocks{}
}

// stored models Go's NoCompression.
type stored struct{ go127 bool }

func (m stored) Name() string { return release(m.go127) + "-0" }

func (m stored) Framing() coding.Framing { return coding.Framing{Closing: ending(m.go127)} }

func (stored) Predictor() coding.Predictor { return &literals{} }

func (stored) Blocks() coding.Blocks { return &chunkBlocks{least: chunk + 1, storedUpTo: chunk} }

// literals is a coding.Predictor that finds no matches.
type literals struct {
	data []byte
	pos  int
}

func (l *literals) Begin(s coding.Stretch) { l.data, l.pos = s.Data, s.From }

func (l *literals) Slide(s coding.Stretch) { l.Begin(s) }

func (l *literals) Predict() coding.Token {
	l.pos++
	return coding.Literal(l.data[l.pos-1])
}

func (l *literals) Correct(t coding.Token) { l.pos += t.Len() - 1 }

func (l *literals) Work() int64 { return 0 }

// chunkBlocks is the coding.Blocks of encoders that write a block for each chunk of content.
type chunkBlocks struct {
	coder
	// A chunk of fewer than least bytes is stored up to storedUpTo bytes, and not above.
	least, storedUpTo int
	size              int
}

func (b *chunkBlocks) Begin() { b.size = 0 }

func (b *chunkBlocks) Add(t coding.Token) bool {
	b.size += t.Len()
	return b.size >= chunk
}

// Shape prefers a stored block if the codes save less than a sixteenth. It does not count extra bits.
func (b *chunkBlocks) Shape(block *coding.Block) coding.Shape {
	b.size = 0
	if block.Size < b.least && block.Size <= b.storedUpTo {
		return coding.Shape{Kind: coding.Stored}
	}
	shape, size := b.dynamic(&block.Frequencies)
	if block.Content != nil && block.Size <= chunk && storedSize(block.Size) < size+size>>4 {
		return coding.Shape{Kind: coding.Stored}
	}
	return shape
}

func (b *chunkBlocks) Wrote(*coding.Shape) {}

// huffmanBlocks is the coding.Blocks of huffman for Go 1.27.
type huffmanBlocks struct {
	tables
	size int
}

const huffmanChunk = 32 << 10

func (b *huffmanBlocks) Begin() {
	b.begin()
	b.size = 0
}

func (b *huffmanBlocks) Add(t coding.Token) bool {
	b.size += t.Len()
	return b.size >= huffmanChunk
}

func (b *huffmanBlocks) Shape(block *coding.Block) coding.Shape {
	b.size = 0
	return b.onlyLiterals(block)
}
