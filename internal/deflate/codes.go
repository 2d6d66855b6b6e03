package deflate

import "math/bits"

// maxCode is the longest that a code may be, and maxHeaderCode that of one for code lengths.
const maxCode, maxHeaderCode = 15, 7

// completeness says how much of the space of codes the lengths take.
type completeness int

const (
	none    completeness = iota // no symbol has a code
	single                      // one symbol has a code, of one bit
	partial                     // some codes mean nothing
	complete
	excessive
)

func completenessOf(lengths []uint8) completeness {
	sum, n, longest := 0, 0, uint8(0)
	for _, l := range lengths {
		if l > 0 {
			sum += 1 << (maxCode - l)
			longest = max(longest, l)
			n++
		}
	}
	switch {
	case n == 0:
		return none
	case sum > 1<<maxCode:
		return excessive
	case sum == 1<<maxCode:
		return complete
	case n == 1 && longest == 1:
		return single
	}
	return partial
}

// codesOf sets codes to those of lengths: the bits in the order in which they are written.
func codesOf(lengths []uint8, codes []uint16) {
	var count [maxCode + 1]int
	for _, l := range lengths {
		count[l]++
	}
	count[0] = 0
	var next [maxCode + 2]int
	for l := 1; l <= maxCode; l++ {
		next[l+1] = (next[l] + count[l]) << 1
	}
	for i, l := range lengths {
		if l > 0 {
			codes[i] = bits.Reverse16(uint16(next[l])) >> (16 - l)
			next[l]++
		}
	}
}

// primary is how many bits of a code the first look-up takes.
const primary = 10

// decoder finds the symbol whose code comes next. An entry of table is the symbol and, in its low bits, the
// length of the code; or where the longer codes with these bits stand, and more than maxCode.
type decoder struct {
	table [1 << primary]uint32
	long  []uint32
}

const (
	lengthBits = 5
	lengthMask = 1<<lengthBits - 1
	isLong     = lengthMask
)

// set makes the table for codes that are complete, single or none.
func (d *decoder) set(lengths []uint8) {
	clear(d.table[:])
	d.long = d.long[:0]
	var codes [288]uint16
	codesOf(lengths, codes[:])
	for symbol, l := range lengths {
		entry := uint32(symbol<<lengthBits) | uint32(l)
		switch {
		case l == 0:
		case l <= primary:
			for i := int(codes[symbol]); i < 1<<primary; i += 1 << l {
				d.table[i] = entry
			}
		default:
			d.setLong(codes[symbol], l, entry)
		}
	}
}

func (d *decoder) setLong(code uint16, length uint8, entry uint32) {
	const size = 1 << (maxCode - primary)
	first := &d.table[code&(1<<primary-1)]
	if *first == 0 {
		*first = uint32(len(d.long)<<lengthBits) | isLong
		d.long = append(d.long, make([]uint32, size)...)
	}
	table := d.long[*first>>lengthBits:][:size]
	for i := int(code >> primary); i < size; i += 1 << (length - primary) {
		table[i] = entry
	}
}

// look returns the entry of the code that the bits begin with: zero if there is none.
func (d *decoder) look(b uint64) uint32 {
	entry := d.table[b&(1<<primary-1)]
	if entry&lengthMask == isLong {
		entry = d.long[entry>>lengthBits+uint32(b>>primary)&(1<<(maxCode-primary)-1)]
	}
	return entry
}
