package tarpatch

import (
	"errors"
	"math/bits"

	"drayage/internal/limits"
)

// novel codes bytes that no base has: some of them as what followed the last three bytes at an earlier place,
// the others one by one. Both sides look for the places, so a place costs few bits.
type novel struct {
	*coder
	past   []byte   // a ring of what was seen, as large as a power of two
	at     uint32   // how much that was
	rows   int      // bits of the number of a ring of places
	places []uint32 // by the last three bytes: where such ones ended, in a ring each
	newest []uint32
	expect uint32 // where the next byte is thought to be
	right  uint32 // which of the last three bytes were where they were thought to be
	state  int    // which of the last three steps were repeats
	repeat []chance
	which  []chance
	counts [2]numbers
	single *single
	buffer []byte
}

const (
	placeBits = 5 // places of a ring
	ways      = 1 << placeBits
	least     = 2 // bytes of a repeat
	manyBytes = 256
)

// What of a base is looked at before the data that stands in its place.
const (
	beforeData = 24
	behindData = 128
)

var errBeyond = errors.New("bytes are repeated beyond the end of its data")

// dataLimit is how many bytes of data a layer of some size may have for a model. The model takes half a
// second for each MB: so few that the layer as a whole does not take much longer.
func dataLimit(size int64) int64 { return min(size/16+chunk, limits.PatchModelled) }

// newNovel returns a model for a layer of some size. Its tables take 10 MiB, and less for small layers.
func newNovel(c *coder, size int64) *novel {
	all := bits.Len64(uint64(dataLimit(size) - 1))
	m := &novel{coder: c, past: make([]byte, 1<<all/2), rows: all - 7, repeat: chances(8 << 8),
		which: chances(2 << placeBits), counts: [2]numbers{newNumbers(), newNumbers()}, single: newSingle(all - 2)}
	m.places, m.newest = make([]uint32, ways<<m.rows), make([]uint32, 1<<m.rows)
	return m
}

// remembered is what was seen at a place, or behind as much as is remembered.
func (m *novel) remembered(at uint32) byte { return m.past[at&uint32(len(m.past)-1)] }

// last returns the byte that was seen n bytes ago.
func (m *novel) last(n uint32) uint32 { return uint32(m.remembered(m.at - n)) }

// row is the ring of the places that followed three bytes.
func (m *novel) row(a, b, c uint32) uint32 { return (a | b<<8 | c<<16) * 0x9e3779b1 >> (32 - m.rows) }

// here is the ring of the places that followed the last three bytes.
func (m *novel) here() uint32 { return m.row(m.last(1), m.last(2), m.last(3)) }

// place is the k-th last one of a ring.
func (m *novel) place(row, k uint32) uint32 { return m.places[row*ways+(m.newest[row]-k)%ways] }

// see takes a byte that is known.
func (m *novel) see(b byte) {
	row := m.here()
	m.newest[row]++
	m.places[row*ways+m.newest[row]%ways] = m.at
	m.right = m.right << 1 & 7
	if m.remembered(m.expect) == b {
		m.right++
	}
	m.past[m.at&uint32(len(m.past)-1)] = b
	m.at++
	m.expect++
}

// beside looks at a base around the place where data begins. What stands there is often like it.
func (m *novel) beside(b Base, at int64) error {
	from := max(0, at-beforeData)
	if m.buffer == nil {
		m.buffer = make([]byte, beforeData+behindData)
	}
	p := m.buffer[:min(b.Size, at+behindData)-from]
	if err := readAt(b, p, from); err != nil {
		return err
	}
	for _, c := range p {
		m.see(c)
	}
	behind := m.at - uint32(from+int64(len(p))-at)
	for _, c := range p[max(0, at-from-8) : at-from] {
		m.see(c)
	}
	m.expect, m.right, m.state = behind, 7, 0
	return nil
}

// code codes bytes.
func (m *novel) code(p []byte) {
	for len(p) > 0 && m.err == nil {
		p = p[m.step(p):]
	}
}

// step codes a byte, or some that are repeated, and returns how many.
func (m *novel) step(p []byte) int {
	row, n, k := m.here(), 0, uint32(0)
	if m.from == nil {
		n, k = m.choose(p, row)
	}
	if m.bit(&m.repeat[m.state<<8|int(m.last(1))], b2i(n > 0)) == 0 {
		p[0] = m.single.code(m, p[0])
		m.state = m.state << 1 & 7
		m.see(p[0])
		return 1
	}
	k = uint32(m.tree(m.which[m.state&1<<placeBits:], placeBits, int(k)))
	count := m.counts[b2i(k > 0)].code(m.coder, uint64(n-least)) + least
	if count > uint64(len(p)) {
		m.err = errors.Join(m.err, errBeyond)
		return 0
	}
	from := m.place(row, k)
	for i := range p[:count] {
		p[i] = m.remembered(from + uint32(i))
		m.see(p[i])
	}
	m.expect, m.right, m.state = from+uint32(count), 7, (m.state<<1|1)&7
	return int(count)
}

// choose decides for the writer how many bytes are repeated, and from where: none if it is better to repeat
// from the next byte on.
func (m *novel) choose(p []byte, here uint32) (n int, k uint32) {
	n, k, worth := m.best(p, here)
	if n > 0 && n < manyBytes && len(p) > 1 {
		if _, _, later := m.best(p[1:], m.row(uint32(p[0]), m.last(1), m.last(2))); later > worth {
			return 0, 0
		}
	}
	return n, k
}

// best finds the repeat that saves the most bits, where a byte takes two.
func (m *novel) best(p []byte, row uint32) (n int, k uint32, worth int) {
	longest := least - 1
	for i := range uint32(ways) {
		same := m.same(p, m.place(row, i), longest)
		if same <= longest {
			continue
		}
		longest = same
		if v := 2*same - 14 - bits.Len32(i) - bits.Len(uint(same)); v > worth {
			n, k, worth = same, i, v
		}
	}
	return n, k, worth
}

// same counts how many bytes are as at a place, if they may be more than some.
func (m *novel) same(p []byte, from uint32, some int) int {
	n, own := 0, int((m.at-from-1)&uint32(len(m.past)-1))+1 // behind as many, they repeat themselves
	if some >= len(p) || some < own && m.remembered(from+uint32(some)) != p[some] {
		return 0
	}
	for n < min(own, len(p)) && m.remembered(from+uint32(n)) == p[n] {
		n++
	}
	for n >= own && n < len(p) && p[n-own] == p[n] {
		n++
	}
	return n
}
