package tarpatch

import (
	"encoding/binary"
	"math/bits"
)

// chunk is how many bytes of an operation are coded at once.
const chunk = 64 << 10

// The kinds of fields of four bytes in programs.
const (
	noField = iota
	callOf  // an instruction's address, counted from its end
	jumpOf
	branchOf
	loadOf
	cell // a number at a multiple of four, as in a table
)

// word is how many bytes a field has.
const word = 4

// deltas codes bytes that are like old ones, by these. Programs that were built anew have the same code at
// other places, so the addresses in it have changed: each one by how far the bytes have moved that it is
// about. What is learnt from one address helps with all others of the neighbourhood.
type deltas struct {
	*coder
	seen    [1 << 16]target
	begin   []chance // does anything differ here?
	sure    []chance // is it what was expected?
	again   []chance // or one of the last ones?
	wide    []chance // or another word?
	sign    []chance
	low     []chance
	values  [2]numbers
	bytes   []chance // by the old byte: the difference
	texts   []chance // by the byte before: the new one
	recent  [4]int32 // how far things were moved
	past    uint64   // for each byte before, whether something began there
	last    int      // the kind of the last word, plus one
	headers headers
	// At hand
	old, new []byte
	place    uint32 // of the old bytes
	shift    int32  // from their place to that of the new ones
}

// target is how far things at a place were moved.
type target struct {
	key   uint32
	moved int32
}

func newDeltas(c *coder) *deltas {
	return &deltas{coder: c, begin: chances(1 << 17), sure: chances(64), again: chances(256),
		wide: chances(1 << 11), sign: chances(2), low: chances(64), bytes: chances(1 << 16),
		texts: chances(1 << 16), values: [2]numbers{newNumbers(), newNumbers()}, headers: newHeaders()}
}

// code codes the new bytes at old ones. These lie at a place in a base, and the new ones in the target at as
// many bytes behind it as shift says.
func (d *deltas) code(old, new []byte, place, shift int64) {
	d.old, d.new, d.place, d.shift = old, new, uint32(place), int32(shift)
	for i := 0; i < len(old); {
		if (d.place+uint32(i))%block == 0 && len(old)-i >= block && string(old[i+257:i+262]) == "ustar" {
			d.headers.code(d.coder, old[i:i+block], new[i:i+block])
			i += block
			continue
		}
		i += d.next(i)
	}
}

// guess is what is thought of a word.
type guess struct {
	kind   int
	level  int    // how far from here something like it was seen, from 1 on; 0: nowhere
	key    uint32 // what it is about
	was    uint32
	expect int32 // by how much it is larger
}

// relative reports whether the word is an address counted from its end.
func (g *guess) relative() bool { return g.kind != noField && g.kind != cell }

// next codes a byte or a word, and returns how many bytes that were.
func (d *deltas) next(i int) int {
	var g guess
	room := len(d.old)-i >= word
	if room && i > 1 {
		g.kind = instruction(d.old[i-2], d.old[i-1])
	}
	if room && (g.kind != noField || (d.place+uint32(i))%word == 0) {
		d.guess(i, &g)
	}
	if d.begins(i, &g) == 0 {
		if d.new[i] = d.old[i]; g.relative() {
			d.learn(g.key, 0, d.shift)
		} else if g.expect != 0 {
			d.learn(g.key, 1, 0)
		}
		return 1
	}
	g.was = 0
	if room {
		g.was = binary.LittleEndian.Uint32(d.old[i:])
	}
	if room {
		if delta, ok := d.word(i, &g); ok {
			binary.LittleEndian.PutUint32(d.new[i:], g.was+uint32(delta))
			d.past <<= word - 1
			return word
		}
	}
	d.last = 0
	d.byte(i)
	return 1
}

// guess looks up what an instruction's address or a cell is about.
func (d *deltas) guess(i int, g *guess) {
	g.was = binary.LittleEndian.Uint32(d.old[i:])
	if g.kind == noField {
		g.kind, g.key = cell, g.was
		g.expect, g.level = d.look(g.key, 1)
		return
	}
	g.key = d.place + uint32(i) + word + g.was
	if g.expect, g.level = d.look(g.key, 0); g.level > 0 {
		g.expect -= d.shift
	}
}

// instruction tells by two bytes whether a relative address follows, in code for x86-64.
func instruction(a, b byte) int {
	if !leads[b] {
		return noField
	}
	switch {
	case b == 0xe8:
		return callOf
	case b == 0xe9:
		return jumpOf
	case a == 0x0f && b&0xf0 == 0x80:
		return branchOf
	case b&0xc7 == 0x05 && loads[a]:
		return loadOf
	}
	return noField
}

// leads are the bytes that stand before such an address.
var leads = func() (all [256]bool) {
	for b := range all {
		all[b] = b == 0xe8 || b == 0xe9 || b&0xf0 == 0x80 || b&0xc7 == 0x05
	}
	return all
}()

// loads are the opcodes before such an address.
var loads = func() (all [256]bool) {
	for _, c := range []byte("\x10\x11\x38\x39\x3b\x6f\x80\x83\x89\x8b\x8d\xb6") {
		all[c] = true
	}
	return all
}()

// nearby is by how many bits places may differ from that of something seen.
var nearby = [...]uint{0, 7, 12}

func slot(key, kind uint32, level int) (int, uint32) {
	key = key>>nearby[level]<<4 | kind<<2 | uint32(level)
	return int(key * 0x9e3779b1 >> 16), key
}

func (d *deltas) look(key, kind uint32) (moved int32, level int) {
	for l := range nearby {
		if i, k := slot(key, kind, l); d.seen[i].key == k {
			return d.seen[i].moved, l + 1
		}
	}
	return 0, 0
}

func (d *deltas) learn(key, kind uint32, moved int32) {
	for l := range nearby {
		i, k := slot(key, kind, l)
		d.seen[i] = target{k, moved}
	}
}

// begins codes whether a byte differs, or a word is as expected and not the old one.
func (d *deltas) begins(i int, g *guess) int {
	p := d.past
	near := int(p&7) | min(bits.TrailingZeros64(p>>3|1<<7), 7)<<3
	if g.kind == cell {
		near = int(p&7 | p>>3&1<<3 | p>>7&1<<4 | p>>15&1<<5)
	}
	at := near << 8
	switch {
	case g.level > 0:
		at = 1<<14 | b2i(g.expect != 0)<<13 | g.kind<<8 | g.level<<6 | near
	case g.relative():
		at = 3<<14 | g.kind<<6 | near
	default:
		at |= b2i(g.kind == cell) << 16
		if i > 0 {
			at |= int(d.old[i-1])
		}
	}
	n := 0
	if d.from == nil {
		n = b2i(d.new[i] != d.old[i] || g.expect != 0 && d.delta(i, g) == g.expect)
	}
	n = d.bit(&d.begin[at], n)
	d.past = p<<1 | uint64(n)
	return n
}

// delta is by how much the new word is larger than the old one. A decoder does not know it.
func (d *deltas) delta(i int, g *guess) int32 {
	if d.from != nil {
		return 0
	}
	return int32(binary.LittleEndian.Uint32(d.new[i:]) - g.was)
}

// word codes by how much a word is larger, if that is better than by bytes.
func (d *deltas) word(i int, g *guess) (delta int32, ok bool) {
	delta = d.delta(i, g)
	own, kind := int32(0), uint32(1)
	if g.relative() {
		own, kind = d.shift, 0
	}
	switch {
	case g.expect != 0 && d.bit(&d.sure[g.kind<<2|g.level], b2i(delta == g.expect)) == 1:
		delta = g.expect
	default:
		var found bool
		if delta, found = d.repeated(delta, own, g.kind); found {
			break
		}
		before := byte(0)
		if i > 0 {
			before = d.old[i-1]
		}
		if d.bit(&d.wide[g.kind<<8|int(before)], d.isWide(i, g, delta)) == 0 {
			return 0, false
		}
		delta = d.value(delta+own, b2i(g.relative())) - own
	}
	if g.kind != noField {
		d.learn(g.key, kind, delta+own)
	}
	d.last = g.kind + 1
	d.remember(delta + own)
	return delta, true
}

// repeated codes whether a word was moved as far as one of the last ones.
func (d *deltas) repeated(delta, own int32, kind int) (int32, bool) {
	for k, moved := range d.recent {
		if moved -= own; moved&0xff != 0 && d.bit(&d.again[kind<<5|k<<3|d.last], b2i(delta == moved)) == 1 {
			return moved, true
		}
	}
	return delta, false
}

// isWide decides for the writer whether a word rather than a byte has changed.
func (d *deltas) isWide(i int, g *guess, delta int32) int {
	if d.from != nil {
		return 0
	}
	n, old, new := max(delta, -delta), d.old[i:], d.new[i:]
	if g.kind != noField {
		return b2i(n > 127 && n < 1<<25)
	}
	return b2i(n > 127 && n < 1<<22 && old[1] != new[1] && old[3] == new[3])
}

// value codes how far something was moved: the lower bits first, which are often the same.
func (d *deltas) value(v int32, kind int) int32 {
	negative := d.bit(&d.sign[kind], b2i(v < 0))
	n := uint32(v)
	if v < 0 {
		n = -n
	}
	low := d.tree(d.low[kind<<5:], 5, int(n&31))
	n = uint32(d.values[kind].code(d.coder, uint64(n>>5)))<<5 | uint32(low)
	if negative == 1 {
		n = -n
	}
	return int32(n)
}

func (d *deltas) remember(moved int32) {
	k := 0
	for k < len(d.recent)-1 && d.recent[k] != moved {
		k++
	}
	copy(d.recent[1:k+1], d.recent[:k])
	d.recent[0] = moved
}

// byte codes a byte: of text by the one before, else by the old one.
func (d *deltas) byte(i int) {
	old, n := d.old[i], int(d.new[i])
	if i > 0 && isText(old) && isText(d.old[i-1]) {
		d.new[i] = byte(d.tree(d.texts[int(d.new[i-1])<<8:], 8, n))
		return
	}
	d.new[i] = old + byte(d.tree(d.bytes[int(old)<<8:], 8, int(d.new[i]-old)))
}

func isText(c byte) bool { return c >= ' ' && c < 0x7f || c == '\n' || c == '\t' }

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
