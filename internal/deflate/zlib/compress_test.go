package zlib_test

import (
	"drayage/internal/deflate/coding"
)

// compress writes content as a raw deflate stream, by the model alone.
func compress(m coding.Model, content []byte) []byte {
	w := &bitWriter{}
	f := m.Framing()
	part := f.Part
	if part == 0 {
		part = max(1, len(content))
	}
	predictor, blocks := m.Predictor(), m.Blocks()
	for from := 0; ; from += part {
		to := min(from+part, len(content))
		last := to == len(content)
		known := max(0, from-f.Dictionary)
		compressPart(w, predictor, blocks, coding.Stretch{
			Data: content[known:to], From: from - known, To: to - known, Offset: int64(known - from), End: true,
		}, last, f.Holds)
		if last {
			return w.close()
		}
		for _, k := range f.Marker(int(w.n)) {
			w.empty(k, false)
		}
	}
}

func compressPart(w *bitWriter, p coding.Predictor, b coding.Blocks, s coding.Stretch, last, holds bool) {
	p.Begin(s)
	b.Begin()
	var tokens []coding.Token
	block := &coding.Block{}
	start, at := s.From, s.From
	flush := func(end coding.End) {
		block.Content, block.Size, block.End = s.Data[start:at], at-start, end
		block.Frequencies.Literals[coding.EndBlock] = 1
		shape := b.Shape(block)
		b.Wrote(&shape)
		w.block(&shape, tokens, block.Content, end == coding.Close)
		tokens, *block, start = tokens[:0], coding.Block{}, at
	}
	for at < s.To {
		t := p.Predict()
		tokens = append(tokens, t)
		block.Add(t)
		at += t.Len()
		full := b.Add(t)
		if full && !(holds && at == s.To && !t.IsMatch()) {
			flush(coding.Full)
		}
	}
	if last {
		flush(coding.Close)
	} else if len(tokens) > 0 {
		flush(coding.Flush)
	}
}

// bitWriter writes deflate blocks.
type bitWriter struct {
	out  []byte
	bits uint64
	n    uint
}

func (w *bitWriter) put(v, n uint) {
	w.bits |= uint64(v) << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
	}
}

func (w *bitWriter) align() {
	if w.n > 0 {
		w.put(0, 8-w.n)
	}
}

func (w *bitWriter) close() []byte { w.align(); return w.out }

func (w *bitWriter) empty(k coding.Kind, last bool) {
	w.block(&coding.Shape{Kind: k}, nil, nil, last)
}

func (w *bitWriter) block(s *coding.Shape, tokens []coding.Token, content []byte, last bool) {
	final := uint(0)
	if last {
		final = 1
	}
	w.put(final|uint(s.Kind)<<1, 3)
	code := s.Code
	switch s.Kind {
	case coding.Stored:
		w.align()
		w.put(uint(len(content)), 16)
		w.put(uint(^uint16(len(content))), 16)
		w.out = append(w.out, content...)
		return
	case coding.Fixed:
		code = coding.FixedCode
	default:
		w.header(&s.Header)
	}
	w.tokens(codes(fill(code.Literals[:], s.Kind)), codes(code.Distances[:]), tokens)
}

// fill adds the two fixed codes that no symbol has.
func fill(lengths []uint8, k coding.Kind) []uint8 {
	if k == coding.Fixed {
		return append(lengths[:len(lengths):len(lengths)], 8, 8)
	}
	return lengths
}

func (w *bitWriter) header(h *coding.Header) {
	w.put(uint(h.Literals-257), 5)
	w.put(uint(h.Distances-1), 5)
	w.put(uint(h.Count-4), 4)
	for _, i := range coding.HeaderOrder[:h.Count] {
		w.put(uint(h.Lengths[i]), 3)
	}
	code := codes(h.Lengths[:])
	extra := map[uint8]uint{16: 2, 17: 3, 18: 7}
	for _, s := range h.Symbols {
		w.code(code[s.Symbol])
		w.put(uint(s.Extra), extra[s.Symbol])
	}
}

func (w *bitWriter) tokens(literals, distances []code, tokens []coding.Token) {
	for _, t := range tokens {
		if !t.IsMatch() {
			w.code(literals[t.Byte()])
			continue
		}
		s := coding.LengthSymbol(t.Len())
		w.code(literals[s])
		w.put(uint(t.Len())-uint(coding.LengthBase[s-257]), uint(coding.LengthExtra[s-257]))
		s = coding.DistanceSymbol(t.Distance())
		w.code(distances[s])
		w.put(uint(t.Distance())-uint(coding.DistanceBase[s]), uint(coding.DistanceExtra[s]))
	}
	w.code(literals[coding.EndBlock])
}

func (w *bitWriter) code(c code) { w.put(c.bits, c.n) }

type code struct{ bits, n uint }

// codes are the canonical codes of lengths, with their bits reversed.
func codes(lengths []uint8) []code {
	all := make([]code, len(lengths))
	next := uint(0)
	for n := uint(1); n <= 15; n++ {
		for i, l := range lengths {
			if uint(l) != n {
				continue
			}
			for j := range n {
				all[i].bits |= next >> j & 1 << (n - 1 - j)
			}
			all[i].n = n
			next++
		}
		next <<= 1
	}
	return all
}
