package tarpatch

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
)

const (
	seed   = 16 // bytes by whose hash the old bytes are found
	stride = 4  // of the places in the old bytes that are entered
	tries  = 2  // places with one hash that are looked at
	better = 12 // bytes that have to be equal elsewhere and are not at the offset in use
	near   = 64 // bytes from where a seed is expected
	// How many bytes are equal at a place that is near, and at one that is not. To go far and back costs two
	// operations, and text that was in a base often costs less as new bytes. In programs more than these bytes
	// is alike there.
	nearText  = 24
	farText   = 64
	farBinary = 16
	settle    = 32 // equal bytes in a row: nothing better is looked for
	sample    = 32 // bytes by which offsets are compared that were good before
	every     = 8  // bytes from one such comparison to the next
)

// matcher says how new bytes come from old ones: mostly equal stretches, each at its own place in the old
// bytes, and what lies between them. It does what Colin Percival's bsdiff does, with a table of seeds in
// place of a suffix array, so that it takes little memory and time.
type matcher struct {
	table    []int32 // hash of a seed -> its first place in old, plus one
	chain    []int32 // such a place, in strides -> the next one with the hash, plus one
	shift    int
	old, new []byte
	least    int    // equal bytes of a piece: nearText or seed
	far      int    // farText or farBinary
	recent   [4]int // offsets of the last pieces, those of long ones: old places less new ones
}

// piece is a stretch of new bytes that is like one of old bytes.
type piece struct{ new, old, n int }

// begin enters old bytes.
func (m *matcher) begin(old []byte) {
	m.old = old
	size := max(10, bits.Len(uint(len(old)/stride)))
	if cap(m.table) < 1<<size {
		m.table = make([]int32, 1<<size)
	}
	m.table = m.table[:1<<size]
	clear(m.table)
	if n := len(old)/stride + 1; cap(m.chain) < n {
		m.chain = make([]int32, n)
	}
	m.chain = m.chain[:len(old)/stride+1]
	m.shift = 64 - size
	for i := (len(old) - seed) &^ (stride - 1); i >= 0; i -= stride {
		first := &m.table[m.hash(old[i:])]
		m.chain[i/stride], *first = *first, int32(i+1)
	}
}

func (m *matcher) hash(p []byte) uint64 {
	a, b := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])
	return ((a ^ bits.RotateLeft64(b, 29)) * 0x9e3779b97f4a7c15) >> m.shift
}

// find gives out the pieces of new in order. They do not overlap. at is the old place that new is thought to
// begin at.
func (m *matcher) find(new []byte, at int, emit func(piece)) {
	m.new, m.least, m.far = new, nearText, farText
	if bytes.IndexByte(new[:min(len(new), 4<<10)], 0) >= 0 {
		m.least, m.far = seed, farBinary
	}
	last := piece{0, at, 0} // its n is not known yet
	for i := 0; ; {
		next := m.elsewhere(i, last.old-last.new)
		m.part(&last, &next)
		if last.n > 0 {
			m.remember(last)
			emit(last)
		}
		if next.old < 0 {
			return
		}
		last, i = next, next.new+next.n
	}
}

// elsewhere finds the next place from which new bytes are clearly more like others than those at the offset.
// Its n is what is equal there.
func (m *matcher) elsewhere(i, offset int) piece {
	settled := i // what is before it has been compared with what is at the offset
	for i+seed <= len(m.new) {
		if i >= settled {
			run := m.equal(i, i+offset)
			if settled = i + run + 1; run >= settle {
				i += run
				continue
			}
		}
		if q, n := m.longest(i, i+offset); n >= m.least && q != i+offset && m.differs(i, i+offset, n) {
			return piece{i, q, n}
		}
		if i%every == 0 {
			if d, ok := m.back(i, offset); ok {
				return piece{i, i + d, 0}
			}
		}
		i++
	}
	return piece{len(m.new), -1, 0}
}

// longest finds the old place at which most bytes are equal to those at i, best the one nearest to where they
// are expected.
func (m *matcher) longest(i, at int) (old, n int) {
	next := int(m.table[m.hash(m.new[i:])])
	for range tries {
		if next == 0 {
			break
		}
		q := next - 1
		away := max(q-at, at-q)
		if k := m.equal(i, q); away <= near || k >= m.far {
			if k > n || k == n && away < max(old-at, at-old) {
				old, n = q, k
			}
		}
		next = int(m.chain[q/stride])
	}
	return old, n
}

// remember keeps the offset of a long piece.
func (m *matcher) remember(p piece) {
	d := p.old - p.new
	if p.n < 4*sample || slices.Contains(m.recent[:], d) {
		return
	}
	copy(m.recent[1:], m.recent[:])
	m.recent[0] = d
}

// back finds an earlier offset at which more of the next bytes are equal than at the one at hand. Where
// nearly all numbers have changed, as in the tables of programs, no seed is equal any more.
func (m *matcher) back(i, offset int) (d int, ok bool) {
	most := m.alike(i, i+offset) + better
	if most > sample*3/4 {
		return 0, false
	}
	for _, other := range m.recent {
		if n := m.alike(i, i+other); n > most {
			most, d, ok = n, other, true
		}
	}
	return d, ok
}

// alike counts equal bytes of the next ones.
func (m *matcher) alike(i, j int) int {
	if i+sample > len(m.new) || j < 0 || j+sample > len(m.old) {
		return 0
	}
	const low = 0x7f7f7f7f7f7f7f7f
	a, b, n := m.new[i:], m.old[j:], 0
	for k := 0; k < sample; k += 8 {
		x := binary.LittleEndian.Uint64(a[k:]) ^ binary.LittleEndian.Uint64(b[k:])
		n += bits.OnesCount64(^((x&low + low) | x | low))
	}
	return n
}

// part decides how far the last piece reaches forward, and the next one backward, and where they meet.
func (m *matcher) part(last, next *piece) {
	gap := next.new - last.new
	forward := m.forward(last.new, last.old, gap)
	backward := 0
	if next.old >= 0 {
		backward = m.backward(next.new, next.old, gap)
	}
	if over := forward + backward - gap; over > 0 {
		cut := m.meet(next.new-backward, last.old+forward-over, next.old-backward, over)
		forward, backward = forward-over+cut, backward-cut
	}
	last.n = forward
	next.new, next.old, next.n = next.new-backward, next.old-backward, next.n+backward
}

// equal counts equal bytes from a new and an old place on.
func (m *matcher) equal(i, j int) int {
	if j < 0 || j >= len(m.old) {
		return 0
	}
	a, b := m.new[i:], m.old[j:]
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	k := 0
	for ; k+8 <= n; k += 8 {
		if x := binary.LittleEndian.Uint64(a[k:]) ^ binary.LittleEndian.Uint64(b[k:]); x != 0 {
			return k + bits.TrailingZeros64(x)/8
		}
	}
	for k < n && a[k] == b[k] {
		k++
	}
	return k
}

// differs reports whether more than a few of n bytes differ.
func (m *matcher) differs(i, j, n int) bool {
	wrong := 0
	for k := 0; k < n; k++ {
		if run := m.equal(i+k, j+k); run > 0 {
			k += run
			if k >= n {
				return false
			}
		}
		if wrong++; wrong > better {
			return true
		}
	}
	return false
}

// forward returns the length up to limit at which equal bytes outweigh others most.
func (m *matcher) forward(i, j, limit int) int {
	if j < 0 {
		return 0
	}
	limit = min(limit, len(m.old)-j)
	best, most, sum := 0, 0, 0
	for k := 0; k < limit; k++ {
		run := min(m.equal(i+k, j+k), limit-k)
		sum, k = sum+run, k+run
		if sum > most {
			best, most = k, sum
		}
		sum--
	}
	return best
}

// backward is forward in the other direction: it looks at what is before both places.
func (m *matcher) backward(i, j, limit int) int {
	limit = min(limit, j)
	best, most, sum := 0, 0, 0
	for k := 1; k <= limit; k++ {
		if m.new[i-k] != m.old[j-k] {
			sum--
			continue
		}
		if sum++; sum > most {
			best, most = k, sum
		}
	}
	return best
}

// meet returns how many of n new bytes at i, which two pieces claim, the first one gets. The first one has
// them at the old place j, the second one at k.
func (m *matcher) meet(i, j, k, n int) int {
	best, most, sum := 0, 0, 0
	for at := range n {
		if m.new[i+at] == m.old[j+at] {
			sum++
		}
		if m.new[i+at] == m.old[k+at] {
			sum--
		}
		if sum > most {
			best, most = at+1, sum
		}
	}
	return best
}
