package klauspost

import (
	"cmp"
	"slices"
)

// coder finds code lengths by package-merge. It keeps room for that.
type coder struct {
	tree  bool // see era
	used  [286]weighed
	items [16][2 * 286]uint32 // weights of the symbols and pairs of a level, in order
	pair  [16][2 * 286]bool   // which of them are pairs
	above [2 * 286]uint16     // the pair that a symbol or a pair of plain is in
}

// weighed is a symbol and how often it is used.
type weighed struct {
	weight uint32
	symbol uint16
}

// lengths sets the code lengths of symbols that are used as often as counts says, none longer than limit. No
// other lengths make less of it. Where several are equally good, pairs go before single symbols. Rare symbols
// have long codes; among equally rare ones, those of low number have them.
func (c *coder) lengths(counts []uint32, limit int, out []uint8) {
	used := c.used[:0]
	for symbol, n := range counts {
		out[symbol] = 0
		if n > 0 {
			used = append(used, weighed{n, uint16(symbol)})
		}
	}
	if len(used) <= 2 {
		for _, u := range used {
			out[u.symbol] = 1
		}
		return
	}
	slices.SortFunc(used, func(a, b weighed) int {
		return cmp.Or(cmp.Compare(a.weight, b.weight), cmp.Compare(a.symbol, b.symbol))
	})
	if c.tree && c.plain(used, limit, out) {
		return
	}
	limit = min(limit, len(used)-1)
	c.merge(used, limit)
	c.spread(used, limit, out)
}

// merge makes the lists of all levels: the symbols, and pairs of neighbours in the list of the level below.
func (c *coder) merge(used []weighed, limit int) {
	count := 0
	for level := 1; level <= limit; level++ {
		below, pairs := &c.items[level-1], count/2
		items, isPair := &c.items[level], &c.pair[level]
		count = 0
		for i, j := 0, 0; i < len(used) || j < pairs; count++ {
			if j < pairs && (i == len(used) || below[2*j]+below[2*j+1] <= used[i].weight) {
				items[count], isPair[count] = below[2*j]+below[2*j+1], true
				j++
				continue
			}
			items[count], isPair[count] = used[i].weight, false
			i++
		}
	}
}

// spread gives one bit more to each symbol among the first items of each level.
func (c *coder) spread(used []weighed, limit int, out []uint8) {
	take := 2*len(used) - 2
	for level := limit; level > 0; level-- {
		pairs := 0
		for _, p := range c.pair[level][:take] {
			if p {
				pairs++
			}
		}
		for _, u := range used[:take-pairs] {
			out[u.symbol]++
		}
		take = 2 * pairs
	}
}

// plain sets the code lengths of a tree without a limit, unless that is deeper than the limit. Where a symbol
// and a pair are equally frequent, the symbol goes first.
func (c *coder) plain(used []weighed, limit int, out []uint8) bool {
	n := len(used)
	pairs := c.items[0][:n-1]
	for k, symbol, pair := 0, 0, 0; k < n-1; k++ {
		pairs[k] = 0
		for range 2 {
			if symbol < n && (pair == k || used[symbol].weight <= pairs[pair]) {
				pairs[k] += used[symbol].weight
				c.above[symbol] = uint16(k)
				symbol++
				continue
			}
			pairs[k] += pairs[pair]
			c.above[n+pair] = uint16(k)
			pair++
		}
	}
	depths := pairs // their weights are not needed any more
	depths[n-2] = 0
	for k := n - 3; k >= 0; k-- {
		depths[k] = depths[c.above[n+k]] + 1
	}
	var count [2 * 286]int // symbols of each length
	for i := range used {
		depth := int(depths[c.above[i]]) + 1
		if depth > limit {
			return false
		}
		count[depth]++
	}
	for length, rest := 1, used; len(rest) > 0; length++ {
		for _, u := range rest[len(rest)-count[length]:] {
			out[u.symbol] = uint8(length)
		}
		rest = rest[:len(rest)-count[length]]
	}
	return true
}
