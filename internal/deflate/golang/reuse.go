package golang

import (
	"math"

	"drayage/internal/deflate/coding"
)

// tables decides how Go 1.27 writes blocks. It goes on with the codes of the block before where new ones are
// not worth their header.
type tables struct {
	coder
	penalty int // new codes are thought to cost one 2^penalty-th more

	open     int         // the size of the header of the codes that can go on, or 0
	code     coding.Code // these codes
	sync     bool        // the content ends with what the encoder holds
	literals bool        // they are codes of a block that was written without matches
	huffman  bool        // the block at hand is
}

// few is up to how many tokens the fixed codes are considered.
const few = 250

func (b *tables) begin() { b.open, b.literals, b.sync = 0, false, false }

// Wrote notes which codes can go on.
func (b *tables) Wrote(s *coding.Shape) {
	switch s.Kind {
	case coding.Continued:
	case coding.Dynamic:
		b.code, b.literals = s.Code, b.huffman
		b.open = headerSize(&s.Header)
	default:
		b.open = 0
	}
	if b.sync {
		b.open = 0
	}
}

// shape is that of a block with matches. A block of more than 65535 bytes and one whose content the encoder
// has no more cannot be stored.
func (b *tables) shape(block *coding.Block, tokens int, storable bool) coding.Shape {
	if b.huffman = false; b.literals {
		b.open = 0
	}
	f := block.Frequencies
	f.Literals[coding.EndBlock] = 1
	if b.sync {
		tokens++ // the end of the block counts where the encoder does not leave it open
	}
	if b.open > 0 && !encodes(&b.code, &f) {
		b.open = 0
	}
	extra, stored := 0, math.MaxInt
	if storable {
		stored = storedSize(block.Size)
	}
	if storable || b.open > 0 {
		extra = f.ExtraBits()
	}
	if b.open > 0 {
		if shape, ok := b.reuse(&f, tokens, extra, stored); ok {
			return shape
		}
	}
	shape, size := b.dynamic(&f)
	size += extra
	if tokens < few {
		if fixed := fixedBits(&f) + extra; fixed <= size {
			return smaller(coding.Fixed, stored <= fixed)
		}
	}
	if stored <= size {
		return coding.Shape{Kind: coding.Stored}
	}
	return shape
}

// reuse is the shape of a block that does not have codes of its own. It reports false if these are better.
func (b *tables) reuse(f *coding.Frequencies, tokens, extra, stored int) (coding.Shape, bool) {
	fresh := b.open + estimate(f, tokens)
	fresh += int(b.code.Literals[coding.EndBlock]) + fresh>>b.penalty
	counted := *f
	countDistance(&counted)
	size := weighted(b.code.Literals[:], f.Literals[:]) + weighted(b.code.Distances[:], counted.Distances[:]) +
		extra
	better := fresh < size
	size = min(size, fresh)
	if tokens < few {
		if fixed := fixedBits(f) + extra + 7; fixed < size {
			return smaller(coding.Fixed, stored <= size), true
		}
	}
	if stored <= size {
		return coding.Shape{Kind: coding.Stored}, true
	}
	return coding.Shape{Kind: coding.Continued}, !better
}

// smaller is a shape of that kind, or a stored one.
func smaller(kind coding.Kind, stored bool) coding.Shape {
	if stored {
		kind = coding.Stored
	}
	return coding.Shape{Kind: kind}
}

// encodes reports whether the codes have all symbols of f.
func encodes(code *coding.Code, f *coding.Frequencies) bool {
	for symbol, weight := range f.Literals {
		if weight > 0 && code.Literals[symbol] == 0 {
			return false
		}
	}
	for symbol, weight := range f.Distances {
		if weight > 0 && code.Distances[symbol] == 0 {
			return false
		}
	}
	return true
}

// onlyLiterals is the shape of a block that is written without matches.
func (b *tables) onlyLiterals(block *coding.Block) coding.Shape {
	b.huffman = true
	f := block.Frequencies
	if block.Size > 1024 && even(&f, block.Size) {
		return coding.Shape{Kind: coding.Stored}
	}
	f.Literals[coding.EndBlock] = 1
	shape, _ := b.dynamic(&f)
	size := weighted(shape.Literals[:], f.Literals[:]) + b.open
	if b.open == 0 {
		size += 70 * 8 // as headers have in general
	}
	size += size >> b.penalty
	if storedSize(block.Size) <= size {
		return coding.Shape{Kind: coding.Stored}
	}
	f.Literals[coding.EndBlock] = 0
	if b.open > 0 && encodes(&b.code, &f) && weighted(b.code.Literals[:], f.Literals[:]) <= size {
		return coding.Shape{Kind: coding.Continued}
	}
	return shape
}

// even reports whether all bytes are about as frequent, so that a code cannot save anything.
func even(f *coding.Frequencies, size int) bool {
	sum, average := 0.0, float64(size)/256
	for _, weight := range f.Literals[:256] {
		d := float64(weight) - average
		sum += float64(d * d)
	}
	return sum < float64(2*size)
}

// estimate is how many bits the best codes may need: the entropy, in single precision.
func estimate(f *coding.Frequencies, tokens int) int {
	sum, matches := float32(0), 0
	share := 1 / float32(tokens)
	for _, weight := range f.Literals[:coding.EndBlock] {
		sum += entropy(weight, share)
	}
	sum += 15 // for the end of the block
	for _, weight := range f.Literals[coding.EndBlock+1:] {
		sum += entropy(weight, share)
		matches += int(weight)
	}
	if matches > 0 {
		share = 1 / float32(matches)
		for _, weight := range f.Distances {
			sum += entropy(weight, share)
		}
	}
	return int(sum) + f.ExtraBits()
}

// entropy is how many bits symbols of that weight need, one to 15 each. The conversions keep processors from
// doing two operations in one, with another result.
func entropy(weight uint32, share float32) float32 {
	if weight == 0 {
		return 0
	}
	n := float32(weight)
	return float32(min(15, max(1, -log2(float32(n*share)))) * n)
}

// log2 is about the binary logarithm (https://stackoverflow.com/a/28730362).
func log2(x float32) float32 {
	u := math.Float32bits(x)
	m := math.Float32frombits(u&0x807fffff + 127<<23)
	p := float32(float32(-0.34484843)*m) + 2.02466578
	return float32(int32(u>>23&255)-128) + (float32(p*m) - 0.67487759)
}
