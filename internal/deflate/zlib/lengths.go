package zlib

import "drayage/internal/deflate/coding"

// How long the codes of a block may be, and how many symbols a code has at most.
const (
	maxCode       = 15
	maxHeaderCode = 7
	maxSymbols    = coding.Literals
)

// builder finds the code lengths of symbols by Huffman's algorithm. Which lengths symbols of equal frequency
// get follows from the order in which the heap of the encoders yields them.
type builder struct {
	frequency [2 * maxSymbols]uint32
	depth     [2 * maxSymbols]uint8
	parent    [2 * maxSymbols]uint16
	length    [2 * maxSymbols]uint8
	heap      [maxSymbols + 1]uint16 // from 1
	size      int
	order     []uint16 // the nodes as they left the heap: by frequency
	count     [maxCode + 1]int
}

// build sets the code lengths of symbols that occur, of at most limit bits, and returns the last symbol. A
// code has at least two symbols: 0 and 1 may get a length though they do not occur.
func (b *builder) build(lengths []uint8, frequencies []uint32, limit int) (last int) {
	last = b.leaves(lengths, frequencies)
	for i := b.size / 2; i >= 1; i-- {
		b.sift(i)
	}
	b.merge(len(lengths))
	b.measure(lengths, limit)
	return last
}

func (b *builder) leaves(lengths []uint8, frequencies []uint32) (last int) {
	b.size, b.order, last = 0, b.order[:0], -1
	leaf := func(symbol int, frequency uint32) {
		b.size++
		b.heap[b.size] = uint16(symbol)
		b.frequency[symbol], b.depth[symbol] = frequency, 0
	}
	for i, n := range frequencies {
		lengths[i] = 0
		if n != 0 {
			leaf(i, n)
			last = i
		}
	}
	for b.size < 2 {
		symbol := 0
		if last < 2 {
			last++
			symbol = last
		}
		leaf(symbol, 1)
	}
	return last
}

// before reports whether a leaves the heap before c. The less deep tree does, and c if it is as deep.
func (b *builder) before(a, c uint16) bool {
	if b.frequency[a] != b.frequency[c] {
		return b.frequency[a] < b.frequency[c]
	}
	return b.depth[a] <= b.depth[c]
}

// sift moves the node at place i down to where it belongs.
func (b *builder) sift(i int) {
	node := b.heap[i]
	for {
		child := 2 * i
		if child > b.size {
			break
		}
		if child < b.size && b.before(b.heap[child+1], b.heap[child]) {
			child++
		}
		if b.before(node, b.heap[child]) {
			break
		}
		b.heap[i] = b.heap[child]
		i = child
	}
	b.heap[i] = node
}

// merge makes the tree. Its inner nodes are numbered from next.
func (b *builder) merge(next int) {
	for node := uint16(next); b.size >= 2; node++ {
		least := b.heap[1]
		b.heap[1] = b.heap[b.size]
		b.size--
		b.sift(1)
		second := b.heap[1]
		b.order = append(b.order, least, second)
		b.frequency[node] = b.frequency[least] + b.frequency[second]
		b.depth[node] = max(b.depth[least], b.depth[second]) + 1
		b.parent[least], b.parent[second] = node, node
		b.heap[1] = node
		b.sift(1)
	}
	b.order = append(b.order, b.heap[1])
}

// measure sets the lengths of the tree's leaves.
func (b *builder) measure(lengths []uint8, limit int) {
	root := len(b.order) - 1
	b.count = [maxCode + 1]int{}
	b.length[b.order[root]] = 0
	over := 0
	for i := root - 1; i >= 0; i-- {
		node := b.order[i]
		n := int(b.length[b.parent[node]]) + 1
		if n > limit {
			n = limit
			over++
		}
		b.length[node] = uint8(n)
		if int(node) < len(lengths) {
			lengths[node] = uint8(n)
			b.count[n]++
		}
	}
	if over > 0 {
		b.shorten(over, limit)
		b.assign(lengths, limit)
	}
}

// shorten makes room for the nodes that were too deep.
func (b *builder) shorten(over, limit int) {
	for ; over > 0; over -= 2 {
		n := limit - 1
		for b.count[n] == 0 {
			n--
		}
		b.count[n]--
		b.count[n+1] += 2
		b.count[limit]--
	}
}

// assign gives the lengths to the symbols anew, the longest to the rarest.
func (b *builder) assign(lengths []uint8, limit int) {
	next := 0
	for n := limit; n > 0; n-- {
		for left := b.count[n]; left > 0; next++ {
			if node := b.order[next]; int(node) < len(lengths) {
				lengths[node] = uint8(n)
				left--
			}
		}
	}
}
