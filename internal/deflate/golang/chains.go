package golang

import (
	"encoding/binary"
	"math/bits"

	"drayage/internal/deflate/coding"
)

const (
	chainBits  = 17
	hashFactor = 0x1e35a7bd
	// farMatch is up to where a match of minMatch bytes is worth its distance.
	farMatch = 4096
	// ahead is how many positions the lazy levels put in chains at once: one by one costs more time. Searches
	// begin at the place of their own position, and do not see those behind it.
	ahead    = 1 << 10
	ringMask = 2*coding.Window - 1
	// rebase is when the numbers of positions are made smaller.
	rebase = 1 << 30
	// chainStart is the number of the first position. A place in head that is zero is out of reach.
	chainStart = 2 * coding.Window
)

// chains is the coding.Predictor of chained.
//
// What the encoder answers at a position depends only on the content before, on which of its positions are
// in chains, and on where its buffer stands. The levels that are lazy put all positions in chains, so that
// 32 KiB are all that one must know of the past.
type chains struct {
	effort
	data   []byte
	end    bool
	at     int // where the last token begins in data
	pos    int // where the next one does
	next   int // positions before it are in chains
	origin int64
	buffer buffer
	move   int // the position in data from which the buffer moves on
	base   int // a position's number is its index in data plus base
	head   [1 << chainBits]uint32
	// back is how far before a position the one before it in its chain is. The place of a position is its
	// number modulo two windows: no place in reach of a search is taken by the positions ahead of it.
	back [ringMask + 1]uint16

	// The match that was found at a position.
	found, length, distance int

	work int64
}

func (c *chains) Begin(s coding.Stretch) {
	clear(c.head[:])
	c.base, c.next, c.found = chainStart, 0, -1
	c.data, c.end, c.at, c.pos, c.origin = s.Data, s.End, s.From, s.From, s.Offset
	c.buffer = buffer{}
	c.reach(s.From)
	c.index(s.From)
}

func (c *chains) Slide(s coding.Stretch) {
	moved := int(s.Offset - c.origin)
	c.base += moved
	c.next -= moved
	c.at -= moved
	c.found -= moved
	c.data, c.end, c.pos, c.origin = s.Data, s.End, s.From, s.Offset
	c.reach(s.From)
	if c.base > rebase {
		c.renumber()
	}
}

// renumber makes the numbers of positions smaller. Their places in back stay.
func (c *chains) renumber() {
	less := (c.base - chainStart) &^ ringMask
	c.base -= less
	for i, number := range c.head {
		c.head[i] = uint32(max(int(number)-less, 0))
	}
}

// reach moves the buffer for a look at p.
func (c *chains) reach(p int) {
	c.buffer.reach(c.origin + int64(p))
	if c.end {
		c.buffer.end(c.origin + int64(len(c.data)))
	}
	c.move = int(c.buffer.start + moveAt - c.origin)
}

// index puts the positions before end in chains. The last three bytes of the content have no hash.
func (c *chains) index(end int) {
	data := c.data
	end = min(end, len(data)-minMatch+1)
	for i := c.next; i < end; i++ {
		hash := binary.BigEndian.Uint32(data[i:]) * hashFactor >> (32 - chainBits)
		number := uint32(i + c.base)
		c.back[number&ringMask] = uint16(min(number-c.head[hash], 1<<16-1))
		c.head[hash] = number
	}
	c.next = max(c.next, end)
}

func (c *chains) Predict() coding.Token {
	p := c.pos
	if c.lazy == 0 {
		if p-c.at > max(1, c.dense) {
			c.next = p
		}
		return c.take(c.search(p, minMatch-1))
	}
	length, distance := c.length, c.distance
	if c.found != p {
		length, distance = c.search(p, minMatch-1)
	}
	if length < c.lazy && length >= minMatch && p+1+length < len(c.data) {
		c.length, c.distance = c.search(p+1, length)
		if c.length > length {
			c.found = p + 1
			length = 0
		}
	}
	return c.take(length, distance)
}

// take takes the match, or a literal if there is none.
func (c *chains) take(length, distance int) coding.Token {
	c.at = c.pos
	if length < minMatch {
		c.pos++
		return coding.Literal(c.data[c.pos-1])
	}
	c.pos += length
	return coding.Match(length, distance)
}

func (c *chains) Work() int64 { return c.work }

func (c *chains) Correct(t coding.Token) {
	c.pos, c.found = c.at+t.Len(), -1
}

// search returns the match at p, if it is longer than best.
func (c *chains) search(p, best int) (length, distance int) {
	if p >= c.next {
		if c.lazy > 0 {
			c.index(p + ahead)
		} else {
			c.index(p + 1)
		}
	}
	if p >= c.move {
		c.reach(p)
	}
	room := min(len(c.data)-p, coding.MaxMatch)
	if room <= best {
		return 0, 0
	}
	data, nice := c.data[:p+room], min(c.nice, room)
	first := uint32(max(p-coding.Window, int(c.buffer.start-c.origin), 0) + c.base)
	number := uint32(p + c.base)
	number -= uint32(c.back[number&ringMask])
	tail, toTail := binary.LittleEndian.Uint32(data[p+best-3:]), best-3-c.base
	tries := c.chain
	for ; tries > 0 && number >= first; tries-- {
		if binary.LittleEndian.Uint32(data[int(number)+toTail:]) == tail {
			i := int(number) - c.base
			n := common(data, i, p)
			c.work += int64(n >> 3)
			if n > best && (n > minMatch || p-i <= farMatch) {
				best, length, distance = n, n, p-i
				if n >= nice {
					break
				}
				tail, toTail = binary.LittleEndian.Uint32(data[p+best-3:]), best-3-c.base
			}
		}
		number -= uint32(c.back[number&ringMask])
	}
	c.work += int64(c.chain - tries)
	return length, distance
}

// common is how many bytes at i and at p, behind it, are equal.
func common(data []byte, i, p int) int {
	at := p
	for ; p+8 <= len(data); i, p = i+8, p+8 {
		if d := binary.LittleEndian.Uint64(data[i:]) ^ binary.LittleEndian.Uint64(data[p:]); d != 0 {
			return p - at + bits.TrailingZeros64(d)>>3
		}
	}
	for p < len(data) && data[i] == data[p] {
		i, p = i+1, p+1
	}
	return p - at
}
