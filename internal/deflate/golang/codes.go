package golang

import (
	"slices"

	"drayage/internal/deflate/coding"
)

const (
	maxCode       = 15
	maxHeaderCode = 7
)

// coder finds code lengths and headers as the encoder does. What it returns is valid until it is used again.
type coder struct {
	symbols [coding.Literals + coding.Distances]coding.HeaderSymbol
	sorted  [coding.Literals]uint32 // weight and symbol
	rows    [2][2 * coding.Literals]uint32
	leaves  [maxCode + 1][2*coding.Literals + 1]uint16
}

// lengths sets those of a code for symbols of the given weights. No length is greater than limit. It is a
// package merge (https://en.wikipedia.org/wiki/Package-merge_algorithm) in which a package comes before a
// symbol of the same weight, and a symbol before a greater one.
func (c *coder) lengths(lengths []uint8, weights []uint32, limit int) {
	clear(lengths)
	sorted := c.sorted[:0]
	for symbol, weight := range weights {
		if weight > 0 {
			sorted = append(sorted, weight<<9|uint32(symbol))
		}
	}
	n := len(sorted)
	if n <= 2 {
		for _, s := range sorted {
			lengths[s&511] = 1
		}
		return
	}
	slices.Sort(sorted)
	limit = min(limit, n-1)
	c.merge(sorted, limit)
	take := 2*n - 2
	for row := limit; row > 0; row-- {
		single := int(c.leaves[row][take])
		for _, s := range sorted[:single] {
			lengths[s&511]++
		}
		take = 2 * (take - single)
	}
}

// merge fills leaves: how many of the first items of each row are symbols and not packages.
func (c *coder) merge(sorted []uint32, limit int) {
	n := len(sorted)
	last := c.rows[0][:n]
	for i, s := range sorted {
		last[i] = s >> 9
		c.leaves[1][i+1] = uint16(i + 1)
	}
	for row := 2; row <= limit; row++ {
		items, leaf, pair := c.rows[(row-1)&1][:0], 0, 0
		for len(items) < 2*n-2 && (leaf < n || pair+1 < len(last)) {
			if pair+1 >= len(last) || leaf < n && sorted[leaf]>>9 < last[pair]+last[pair+1] {
				items = append(items, sorted[leaf]>>9)
				leaf++
			} else {
				items = append(items, last[pair]+last[pair+1])
				pair += 2
			}
			c.leaves[row][len(items)] = uint16(leaf)
		}
		last = items
	}
}

// dynamic is the shape of a block with codes of its own, and how many bits that takes without extra bits.
func (c *coder) dynamic(f *coding.Frequencies) (coding.Shape, int) {
	counted := *f
	counted.Literals[coding.EndBlock] = 1
	countDistance(&counted)
	s := coding.Shape{Kind: coding.Dynamic}
	c.lengths(s.Literals[:], counted.Literals[:], maxCode)
	c.lengths(s.Distances[:], counted.Distances[:], maxCode)
	size := c.header(&s)
	return s, size + weighted(s.Literals[:], counted.Literals[:]) +
		weighted(s.Distances[:], counted.Distances[:])
}

// header sets that of s for its codes, and returns its size in bits.
func (c *coder) header(s *coding.Shape) int {
	h := &s.Header
	h.Literals, h.Distances = used(s.Literals[:], 257), used(s.Distances[:], 1)
	var lengths [coding.Literals + coding.Distances]uint8
	copy(lengths[:], s.Literals[:h.Literals])
	copy(lengths[h.Literals:], s.Distances[:h.Distances])
	h.Symbols = runs(c.symbols[:0], lengths[:h.Literals+h.Distances])

	var weights [coding.Headers]uint32
	for _, symbol := range h.Symbols {
		weights[symbol.Symbol]++
	}
	c.lengths(h.Lengths[:], weights[:], maxHeaderCode)
	h.Count = coding.Headers
	for h.Count > 4 && h.Lengths[coding.HeaderOrder[h.Count-1]] == 0 {
		h.Count--
	}
	return headerSize(h)
}

// headerSize is that of a header in bits, from the first bit of the block.
func headerSize(h *coding.Header) int {
	size := 3 + 5 + 5 + 4 + 3*h.Count
	for _, symbol := range h.Symbols {
		size += int(h.Lengths[symbol.Symbol] + headerExtra[symbol.Symbol])
	}
	return size
}

// headerExtra is how many extra bits a symbol of a header has.
var headerExtra = [coding.Headers]uint8{16: 2, 17: 3, 18: 7}

// used is how many lengths there are up to the last that is not zero, and at least least.
func used(lengths []uint8, least int) int {
	n := len(lengths)
	for n > least && lengths[n-1] == 0 {
		n--
	}
	return n
}

// runs appends the symbols that lengths are written as. Each run of one length is as long as can be.
func runs(symbols []coding.HeaderSymbol, lengths []uint8) []coding.HeaderSymbol {
	for i := 0; i < len(lengths); {
		length, n := lengths[i], 1
		for i+n < len(lengths) && lengths[i+n] == length {
			n++
		}
		i += n
		if length > 0 {
			symbols = append(symbols, coding.HeaderSymbol{Symbol: length})
			n--
		}
		for n >= 3 {
			symbol, most, least := runSymbol(length, n)
			symbols = append(symbols, coding.HeaderSymbol{Symbol: symbol, Extra: uint8(min(n, most) - least)})
			n -= min(n, most)
		}
		for ; n > 0; n-- {
			symbols = append(symbols, coding.HeaderSymbol{Symbol: length})
		}
	}
	return symbols
}

// runSymbol is the symbol that repeats a length up to n times, and for how many repetitions it can stand.
func runSymbol(length uint8, n int) (symbol uint8, most, least int) {
	switch {
	case length > 0:
		return 16, 6, 3
	case n > 10:
		return 18, 138, 11
	}
	return 17, 10, 3
}
