package zlib

import "drayage/internal/deflate/coding"

// tables have the codes of a block while its shape is found.
type tables struct {
	builder builder
	symbols []coding.HeaderSymbol
	counts  [coding.Headers]uint32
}

// shape says how a block is written: as it takes fewest bytes. It is stored only if the encoder still has its
// content.
func (t *tables) shape(block *coding.Block, storable bool) (s coding.Shape) {
	s.Header.Literals = 1 + t.builder.build(s.Literals[:], block.Literals[:], maxCode)
	s.Header.Distances = 1 + t.builder.build(s.Distances[:], block.Distances[:], maxCode)
	t.header(&s)
	own, fixed := t.sizes(block, &s)
	ownBytes, fixedBytes := (own+3+7)/8, (fixed+3+7)/8
	best := min(ownBytes, fixedBytes)
	switch {
	case block.Size+4 <= best && storable:
		s.Kind = coding.Stored
	case fixedBytes <= ownBytes:
		s.Kind = coding.Fixed
	default:
		s.Kind = coding.Dynamic
	}
	return s
}

// header sets how the code lengths are written.
func (t *tables) header(s *coding.Shape) {
	t.symbols, t.counts = t.symbols[:0], [coding.Headers]uint32{}
	t.runs(s.Literals[:s.Header.Literals])
	t.runs(s.Distances[:s.Header.Distances])
	s.Header.Symbols = t.symbols
	t.builder.build(s.Header.Lengths[:], t.counts[:], maxHeaderCode)
	s.Header.Count = coding.Headers
	for s.Header.Count > 4 && s.Header.Lengths[coding.HeaderOrder[s.Header.Count-1]] == 0 {
		s.Header.Count--
	}
}

// The header symbols of repetitions.
const (
	repeat     = 16 // of the length before, 3 to 6 times
	zeros      = 17 // 3 to 10
	manyZeros  = 18 // 11 to 138
	repeatMost = 6
	zerosMost  = 10
	manyMost   = 138
)

// runs writes the lengths of one code. A run does not go on in the next code.
func (t *tables) runs(lengths []uint8) {
	for len(lengths) > 0 {
		n := 1
		for n < len(lengths) && lengths[n] == lengths[0] {
			n++
		}
		if lengths[0] == 0 {
			t.zeros(n)
		} else {
			t.equal(lengths[0], n)
		}
		lengths = lengths[n:]
	}
}

func (t *tables) zeros(n int) {
	for ; n > zerosMost; n -= min(n, manyMost) {
		t.put(manyZeros, min(n, manyMost)-11)
	}
	if n >= 3 {
		t.put(zeros, n-3)
		return
	}
	t.again(0, n)
}

// equal writes n equal lengths that differ from the one before.
func (t *tables) equal(length uint8, n int) {
	left := n - 1
	t.put(length, 0)
	if left < 3 {
		t.again(length, left)
		return
	}
	for ; left >= 3; left -= min(left, repeatMost) {
		t.put(repeat, min(left, repeatMost)-3)
	}
	t.again(length, left)
}

func (t *tables) again(length uint8, n int) {
	for range n {
		t.put(length, 0)
	}
}

func (t *tables) put(symbol uint8, extra int) {
	t.symbols = append(t.symbols, coding.HeaderSymbol{Symbol: symbol, Extra: uint8(extra)})
	t.counts[symbol]++
}

// sizes are the bits that the block takes with its own codes and with the fixed ones, but for the three that
// every block begins with.
func (t *tables) sizes(block *coding.Block, s *coding.Shape) (own, fixed int) {
	extra := block.ExtraBits()
	own, fixed = block.Bits(&s.Code)+extra, block.Bits(&coding.FixedCode)+extra
	headerExtra := [coding.Headers]int{repeat: 2, zeros: 3, manyZeros: 7}
	for i, n := range t.counts {
		own += int(n) * (int(s.Header.Lengths[i]) + headerExtra[i])
	}
	return own + 5 + 5 + 4 + 3*s.Header.Count, fixed
}
