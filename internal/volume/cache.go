package volume

import "container/list"

const (
	// maxCache is how many bytes of all volumes are held.
	maxCache = 32 << 20
	// maxPiece bounds a piece, which is what is read again of a block that is not held any more.
	maxPiece = 1 << 20
	// maxStates is how many states of hashes are held: those of 8 GiB in usual blocks.
	maxStates = 32_768
	// maxAtOnce is how many blocks are compared at once.
	maxAtOnce = 8
	// wasteful is how often nothing is read ahead after something was dropped that nobody had asked for.
	wasteful = 32
)

// place is a piece of a block, or a block.
type place struct{ volume, block, piece int }

// cache holds pieces of blocks that have been compared with their hashes. Files.mu guards it.
type cache struct {
	size   int64 // bytes of a piece
	keeps  bool  // blocks are so small that all pieces of one are held when it has been compared
	pieces map[place]*list.Element
	order  *list.List // of *piece; the last one is dropped first, if none is spent
	spent  *list.List // of *piece that were read to their ends; the last one is dropped first
	free   [][]byte
	made   int // buffers that exist
	most   int // buffers that may exist

	blocks map[place]*block
	recent *list.List // of *block; the last one is forgotten first
	states int        // of all of them
	waste  int        // more than 0: nothing is read ahead
}

// piece is a part of a block.
type piece struct {
	place
	data  []byte
	used  bool
	spent bool
}

// block is what is known of a block.
type block struct {
	place  place
	size   int64
	done   chan struct{} // closed when err and states are set
	err    error         // why no byte of it can be used
	states [][]byte      // of its hash, before each piece

	last int // the piece that was asked for last
	run  int // how many pieces were asked for one after another
	at   *list.Element
}

func newCache(blockSize int64) cache {
	size := min(max(readSize, blockSize/1024), maxPiece)
	return cache{size: size, keeps: blockSize <= maxCache/4, most: int(maxCache / size),
		pieces: map[place]*list.Element{}, order: list.New(), spent: list.New(),
		blocks: map[place]*block{}, recent: list.New()}
}

// atOnce is how many blocks may be compared at once: half of the cache is for what has been compared.
func (c *cache) atOnce(blockSize int64) int {
	if !c.keeps {
		return maxAtOnce
	}
	return int(min(maxAtOnce, maxCache/2/blockSize))
}

// take copies from a piece, if it is held. What has been read to its end is dropped before all else.
func (c *cache) take(at place, offset int64, p []byte) (n int) {
	e := c.pieces[at]
	if e == nil {
		return 0
	}
	h := e.Value.(*piece)
	n = copy(p, h.data[offset:])
	h.used = true
	c.listOf(h).Remove(e)
	h.spent = offset+int64(n) == int64(len(h.data))
	c.pieces[at] = c.listOf(h).PushFront(h)
	return n
}

// listOf is the list that a piece is in.
func (c *cache) listOf(h *piece) *list.List {
	if h.spent {
		return c.spent
	}
	return c.order
}

// buffer gives out room for a piece. It drops what is held if there is no other room.
func (c *cache) buffer() []byte {
	if n := len(c.free); n > 0 {
		b := c.free[n-1]
		c.free = c.free[:n-1]
		return b
	}
	e := c.spent.Back()
	if e == nil {
		e = c.order.Back()
	}
	if e != nil && c.made >= c.most {
		h := e.Value.(*piece)
		c.listOf(h).Remove(e)
		delete(c.pieces, h.place)
		if !h.used {
			c.waste = wasteful
		}
		return h.data[:c.size]
	}
	c.made++
	return make([]byte, c.size)
}

// give takes back a buffer.
func (c *cache) give(b []byte) {
	if c.made > c.most {
		c.made--
		return
	}
	c.free = append(c.free, b[:c.size])
}

// put holds a piece.
func (c *cache) put(at place, data []byte) {
	if c.pieces[at] != nil {
		c.give(data)
		return
	}
	c.pieces[at] = c.order.PushFront(&piece{place: at, data: data})
}

// begin enters a block that is going to be compared.
func (c *cache) begin(b *block) {
	b.at = c.recent.PushFront(b)
	c.blocks[b.place] = b
}

// finish enters a block that has been compared, and forgets others if there are too many.
func (c *cache) finish(b *block) {
	c.states += len(b.states)
	for e := c.recent.Back(); e != nil && c.states > maxStates; {
		old, before := e.Value.(*block), e.Prev()
		if old != b && len(old.states) > 0 {
			c.states -= len(old.states)
			c.recent.Remove(e)
			delete(c.blocks, old.place)
		}
		e = before
	}
}

// follow notes which piece of a block is asked for. It reports whether the block is read from one end to the
// other, as far as can be seen.
func (c *cache) follow(b *block, piece int) bool {
	c.recent.MoveToFront(b.at)
	switch {
	case piece == b.last:
	case piece == b.last+1:
		b.run++
	default:
		b.run = 0
	}
	b.last = piece
	return b.run >= 2
}
