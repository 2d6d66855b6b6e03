package golang

import (
	"strconv"

	"drayage/internal/deflate/coding"
)

// patient models levels 7 to 9 of Go 1.27. They look for matches along chains, as chained does, and for a
// better one where a match ends.
type patient struct{ level int }

func (m patient) Name() string { return release(true) + "-" + strconv.Itoa(m.level) }

func (m patient) Framing() coding.Framing { return coding.Framing{Closing: ending(true), Serial: true} }

func (m patient) Predictor() coding.Predictor { return &links{effort: patientEfforts[m.level]} }

func (m patient) Blocks() coding.Blocks {
	return &patientBlocks{tables: tables{penalty: 8}, chain: patientEfforts[m.level].chain}
}

var patientEfforts = [10]effort{
	7: {lazy: 12, nice: 16, chain: 24},
	8: {lazy: 30, nice: 40, chain: 64},
	9: {lazy: 258, nice: 258, chain: 1024},
}

// patientTokens is how many tokens a block has.
const patientTokens = 1 << 15

// patientBlocks is the coding.Blocks of patient.
type patientBlocks struct {
	tables
	chain  int
	buffer buffer
	tokens int
	start  int64 // where the block begins in the content
	pos    int64
	idle   uint16 // literals since the last match that the encoder looked for a match at
	passed int    // how many it passes over without a look
}

func (b *patientBlocks) Begin() {
	b.begin()
	b.buffer, b.tokens, b.start, b.pos, b.idle, b.passed = buffer{}, 0, 0, 0, 0, 0
}

func (b *patientBlocks) Add(t coding.Token) bool {
	at := b.pos + 1 // a token is decided on at the next position
	b.pos += int64(t.Len())
	b.tokens++
	switch {
	case t.IsMatch():
		b.buffer.reach(at)
		b.idle, b.passed = 0, 0
	case b.passed == 0:
		b.buffer.reach(at)
		b.idle++
		b.passed = passes(b.idle, b.chain)
	case at >= b.buffer.start+2*coding.Window-1:
		b.passed = 0 // the buffer ends
	default:
		b.passed--
	}
	return b.tokens == patientTokens
}

// passes is how many positions are passed over after so many literals. One more literal goes with them.
func passes(idle uint16, chain int) int {
	if n := int(idle) - chain; n > 0 {
		return 2 + n>>6
	}
	return 0
}

func (b *patientBlocks) Shape(block *coding.Block) coding.Shape {
	b.sync = b.buffer.ending(b.pos, block.Left)
	storable := b.start >= b.buffer.start && block.Content != nil && block.Size <= chunk
	tokens := b.tokens
	b.start, b.tokens = b.pos, 0
	return b.shape(block, tokens, storable)
}
