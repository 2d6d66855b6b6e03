package tarpatch

import (
	"io"
	"math/bits"
)

// coder codes single bits, each by how likely it is: a binary range coder. What is likely is learnt from the
// bits before. One method codes in both directions, so both sides follow the same model.
type coder struct {
	span  uint32
	low   uint64 // written: where the span begins; read: what was read, less where the span begins
	held  byte   // the last byte to write, which a carry may change
	wait  int64  // bytes 0xff behind it
	begun bool
	to    io.ByteWriter
	from  io.ByteReader // nil: bits are written
	err   error         // the first
	spent int64         // bits so far: what takes time
	wrote int64         // bytes so far
}

// chance is how likely a bit is 0, in 65,536ths, and how often it was seen.
type chance struct{ zero, seen uint16 }

// never is what remains of a chance that was always wrong.
const never = 24

// pace is how fast a chance follows the bits: by how many of them were seen.
var pace = func() (all [48]uint32) {
	for n := range all {
		all[n] = uint32(131072 / (2*n + 3))
	}
	return all
}()

func chances(n int) []chance {
	all := make([]chance, n)
	for i := range all {
		all[i].zero = 1 << 15
	}
	return all
}

func newCoder(to io.ByteWriter) *coder { return &coder{span: 1<<32 - 1, to: to} }

func newDecoder(from io.ByteReader) *coder {
	c := &coder{span: 1<<32 - 1, from: from}
	for range 4 {
		c.shift()
	}
	return c
}

// bit codes a bit. A decoder does not look at it, and returns the one that it reads.
func (c *coder) bit(p *chance, bit int) int {
	bit = c.split(uint32(p.zero), bit)
	p.learn(bit, len(pace)-1)
	return bit
}

// split codes a bit that is 0 with a chance of so many 65,536ths.
func (c *coder) split(zero uint32, bit int) int {
	c.spent++
	bound := (c.span >> 16) * zero
	if c.from != nil {
		if bit = 0; uint32(c.low) >= bound {
			bit = 1
			c.low -= uint64(bound)
		}
	} else if bit == 1 {
		c.low += uint64(bound)
	}
	if bit == 0 {
		c.span = bound
	} else {
		c.span -= bound
	}
	for c.span < 1<<24 {
		c.span <<= 8
		c.shift()
	}
	return bit
}

// learn takes a bit that was met. It is the slowest when it has seen some of them.
func (p *chance) learn(bit, some int) {
	step := pace[p.seen]
	if bit == 0 {
		p.zero += uint16((1<<16 - never - uint32(p.zero)) * step >> 16)
	} else {
		p.zero -= uint16((uint32(p.zero) - never) * step >> 16)
	}
	if int(p.seen) < some {
		p.seen++
	}
}

// shift writes or reads the next byte.
func (c *coder) shift() {
	if c.from != nil {
		b, err := c.from.ReadByte()
		if err != nil && c.err == nil {
			c.err = err
		}
		c.low = c.low<<8&(1<<32-1) | uint64(b)
		return
	}
	if carry := byte(c.low >> 32); c.low < 0xff<<24 || carry > 0 {
		if c.begun {
			c.write(c.held + carry)
		}
		for ; c.wait > 0; c.wait-- {
			c.write(0xff + carry)
		}
		c.held, c.begun = byte(c.low>>24), true
	} else {
		c.wait++
	}
	c.low = c.low << 8 & (1<<32 - 1)
}

func (c *coder) write(b byte) {
	c.wrote++
	if err := c.to.WriteByte(b); err != nil && c.err == nil {
		c.err = err
	}
}

// finish writes what is held. A decoder of all bits has read as many bytes.
func (c *coder) finish() error {
	for range 5 {
		c.shift()
	}
	return c.err
}

// tree codes a number of some bits, the highest first, with as many chances as there are numbers.
func (c *coder) tree(p []chance, size, n int) int {
	at := 1
	for i := size - 1; i >= 0; i-- {
		at = at<<1 | c.bit(&p[at], n>>i&1)
	}
	return at - 1<<size
}

// numbers codes numbers below 1<<63: how many bits they have, then these.
type numbers struct{ size, upper, lower []chance }

func newNumbers() numbers { return numbers{chances(64), chances(64 << 3), chances(64 << 4)} }

func (m *numbers) code(c *coder, n uint64) uint64 {
	size := c.tree(m.size, 6, bits.Len64(n)&63)
	if size < 2 {
		return uint64(size)
	}
	got := uint64(1)
	for i := size - 2; i >= 0; i-- {
		p := &m.lower[size<<4|min(i, 15)]
		if got < 8 { // the first three behind the highest
			p = &m.upper[size<<3|int(got)]
		}
		got = got<<1 | uint64(c.bit(p, int(n>>i&1)))
	}
	return got
}

// The fields of an operation.
const (
	baseField = iota
	offsetField
	countField
	dataField
	fields
)

// moves codes the fields of operations, one after the other.
type moves struct {
	*coder
	exact   []chance
	numbers [fields][8]numbers
	like    int // the contexts of the next field
	old     int // whether the last operation was exact, and had data
	base    uint64
}

func newMoves(c *coder) *moves {
	m := &moves{coder: c, exact: chances(16)}
	for i := range m.numbers {
		for k := range m.numbers[i] {
			m.numbers[i][k] = newNumbers()
		}
	}
	return m
}

// code codes a field.
func (m *moves) code(field int, n uint64) uint64 {
	switch field {
	case baseField:
		m.base = m.numbers[field][min(m.base, 3)].code(m.coder, n)
		m.like = 0
		return m.base
	case offsetField:
		n = m.numbers[field][m.old].code(m.coder, n)
		m.like = 1
		if n > 0 {
			m.like = 2
		}
		return n
	case countField:
		exact := m.bit(&m.exact[m.old<<2|m.like], int(n&1))
		m.like = m.like<<1 | exact
		return m.numbers[field][m.like].code(m.coder, n>>1)<<1 | uint64(exact)
	}
	n = m.numbers[field][m.like].code(m.coder, n)
	m.old = m.like & 1
	if n > 0 {
		m.old |= 2
	}
	return n
}
