package deflate

import (
	"slices"

	"drayage/internal/deflate/coding"
)

// maxChunk is how many tokens a chunk has at most. Encoders end blocks sooner.
const maxChunk = 128 << 10

// maxContent is how much content a model is shown of a block. A Stored block has no more.
const maxContent = 64 << 10

// chunk is the tokens between two places where the model, or the encoder itself, ended a block.
type chunk struct {
	coding.Block
	tokens int
	buf    []byte // the content up to data[from], as long as it is no more than maxContent
	data   []byte // of the piece that is looked at
	from   int
	at     int // where the next token begins in data
}

func (c *chunk) add(t coding.Token) {
	c.Frequencies.Add(t)
	c.Size += t.Len()
	c.at += t.Len()
	c.tokens++
}

// enter goes on in the content of another piece.
func (c *chunk) enter(data []byte, from int) { c.data, c.from, c.at = data, from, from }

// leave keeps the content of a piece from which chunk goes on.
func (c *chunk) leave() {
	if to := c.from + c.Size - len(c.buf); c.Size <= maxContent {
		c.buf = append(c.buf, c.data[c.from:to]...)
		c.from = to
	}
}

// close shows the model what the chunk has.
func (c *chunk) close(end coding.End) *coding.Block {
	c.leave()
	c.Literals[coding.EndBlock] = 1
	c.End, c.Content, c.Left = end, nil, len(c.data)-c.at
	if c.Size <= maxContent {
		c.Content = c.buf
	}
	return &c.Block
}

// reset begins the next chunk, at this place of data.
func (c *chunk) reset(at int) {
	c.Frequencies, c.Size, c.tokens = coding.Frequencies{}, 0, 0
	c.buf, c.from = c.buf[:0], at
}

// same reports whether two shapes make the same bits.
func same(a, b *coding.Shape) bool {
	if a.Kind != b.Kind {
		return false
	}
	return a.Kind != coding.Dynamic || a.Code == b.Code && sameHeader(&a.Header, &b.Header)
}

func sameHeader(a, b *coding.Header) bool {
	return a.Literals == b.Literals && a.Distances == b.Distances && a.Count == b.Count &&
		a.Lengths == b.Lengths && slices.Equal(a.Symbols, b.Symbols)
}
