package deflate

import (
	"encoding/binary"

	"drayage/internal/deflate/coding"
)

// code is the bits of a symbol, and how many they are. Length and extra bits of a match stand together.
type code struct {
	bits uint32
	n    uint8
}

// writer writes blocks.
type writer struct {
	out      []byte
	bits     uint64
	n        int // how many of bits there are, less than eight between calls
	literals [coding.EndBlock + 1]code
	lengths  [coding.MaxMatch + 1]code
	spelled  code
	distance [coding.Distances]code
}

func (w *writer) put(v uint64, n int) {
	w.bits |= v << w.n
	w.n += n
	for w.n >= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
		w.n -= 8
	}
}

// align fills a byte with bits.
func (w *writer) align(padding uint8) {
	if w.n > 0 {
		n := 8 - w.n
		w.put(uint64(padding&(1<<n-1)), n)
	}
}

// begin writes the first bits of a block, and what is its own if it is Dynamic.
func (w *writer) begin(s *coding.Shape, last bool) {
	first := uint64(s.Kind) << 1
	if last {
		first |= 1
	}
	w.put(first, 3)
	switch s.Kind {
	case coding.Fixed:
		w.use(&coding.FixedCode)
	case coding.Dynamic:
		w.header(&s.Header)
		w.use(&s.Code)
	}
}

func (w *writer) header(h *coding.Header) {
	w.put(uint64(h.Literals-257), 5)
	w.put(uint64(h.Distances-1), 5)
	w.put(uint64(h.Count-4), 4)
	for _, symbol := range coding.HeaderOrder[:h.Count] {
		w.put(uint64(h.Lengths[symbol]), 3)
	}
	var codes [coding.Headers]uint16
	codesOf(h.Lengths[:], codes[:])
	for _, s := range h.Symbols {
		w.put(uint64(codes[s.Symbol]), int(h.Lengths[s.Symbol]))
		if s.Symbol >= 16 {
			w.put(uint64(s.Extra), int(repeatBits[s.Symbol-16]))
		}
	}
}

// use makes the tables for the codes of a block.
func (w *writer) use(c *coding.Code) {
	var codes [288]uint16
	lengths := c.Literals[:]
	if c == &coding.FixedCode {
		lengths = append(lengths[:len(lengths):len(lengths)], 8, 8)
	}
	codesOf(lengths, codes[:])
	for i := range w.literals {
		w.literals[i] = code{uint32(codes[i]), c.Literals[i]}
	}
	for l := coding.MinMatch; l <= coding.MaxMatch; l++ {
		w.lengths[l] = lengthCode(c, codes[:], coding.LengthSymbol(l), l)
	}
	w.spelled = lengthCode(c, codes[:], 284, coding.MaxMatch)
	clear(codes[:])
	codesOf(c.Distances[:], codes[:])
	for i := range w.distance {
		w.distance[i] = code{uint32(codes[i]), c.Distances[i]}
	}
}

func lengthCode(c *coding.Code, codes []uint16, symbol, length int) code {
	n := c.Literals[symbol]
	if n == 0 {
		return code{}
	}
	extra := length - int(coding.LengthBase[symbol-257])
	return code{uint32(codes[symbol]) | uint32(extra)<<n, n + coding.LengthExtra[symbol-257]}
}

// tokens writes what the codes of the block can say. It reports whether they can say all.
func (w *writer) tokens(all []coding.Token) bool {
	out, b, n := w.out, w.bits, w.n
	ok := true
	for _, t := range all {
		c := w.literals[t.Byte()]
		if t.IsMatch() {
			c = w.lengths[t.Len()]
			if t&coding.Spelled != 0 {
				c = w.spelled
			}
			symbol := coding.DistanceSymbol(t.Distance())
			d := w.distance[symbol]
			extra := uint64(t.Distance() - int(coding.DistanceBase[symbol]))
			ok = ok && d.n > 0
			b |= (uint64(c.bits) | uint64(d.bits)<<c.n | extra<<(c.n+d.n)) << n
			n += int(d.n + coding.DistanceExtra[symbol])
		} else {
			b |= uint64(c.bits) << n
		}
		ok = ok && c.n > 0
		if n += int(c.n); n >= 8 {
			out = binary.LittleEndian.AppendUint64(out, b)
			whole := n >> 3
			out = out[:len(out)-8+whole]
			b >>= whole * 8
			n &= 7
		}
	}
	w.out, w.bits, w.n = out, b, n
	return ok
}

// endBlock writes the end of a block that is not Stored.
func (w *writer) endBlock() {
	w.put(uint64(w.literals[coding.EndBlock].bits), int(w.literals[coding.EndBlock].n))
}

// stored writes the rest of a Stored block.
func (w *writer) stored(content []byte, padding uint8) {
	w.align(padding)
	n := uint16(len(content))
	w.out = binary.LittleEndian.AppendUint16(w.out, n)
	w.out = binary.LittleEndian.AppendUint16(w.out, ^n)
	w.out = append(w.out, content...)
}
