package klauspost

import "drayage/internal/deflate/coding"

// header describes how the code lengths of s are written, when so many literals and distances of them are. It
// returns how many bits that takes.
func (w *writer) header(s *coding.Shape, literals, distances int) int {
	h := &s.Header
	h.Literals, h.Distances = literals, distances
	var lengths [coding.Literals + coding.Distances]uint8
	n := copy(lengths[:], s.Literals[:literals])
	n += copy(lengths[n:], s.Distances[:distances])
	w.symbols = appendRepeated(w.symbols[:0], lengths[:n])
	h.Symbols = w.symbols

	var counts [coding.Headers]uint32
	for _, y := range h.Symbols {
		counts[y.Symbol]++
	}
	w.lengths(counts[:], 7, h.Lengths[:])
	h.Count = coding.Headers
	for h.Count > 4 && h.Lengths[coding.HeaderOrder[h.Count-1]] == 0 {
		h.Count--
	}
	size := 3 + 5 + 5 + 4 + 3*h.Count + 2*int(counts[16]) + 3*int(counts[17]) + 7*int(counts[18])
	for symbol, n := range counts {
		size += int(n) * int(h.Lengths[symbol])
	}
	return size
}

// appendRepeated writes lengths as symbols. A run may begin among the literals and end among the distances.
// A length is written once, and repeated at most six times by a symbol; up to 138 zeros have a symbol.
func appendRepeated(out []coding.HeaderSymbol, lengths []uint8) []coding.HeaderSymbol {
	for len(lengths) > 0 {
		length, run := lengths[0], 1
		for run < len(lengths) && lengths[run] == length {
			run++
		}
		lengths = lengths[run:]
		if length == 0 {
			for run >= 11 {
				n := min(run, 138)
				out = append(out, coding.HeaderSymbol{Symbol: 18, Extra: uint8(n - 11)})
				run -= n
			}
			if run >= 3 {
				out = append(out, coding.HeaderSymbol{Symbol: 17, Extra: uint8(run - 3)})
				run = 0
			}
		} else {
			out = append(out, coding.HeaderSymbol{Symbol: length})
			for run--; run >= 3; {
				n := min(run, 6)
				out = append(out, coding.HeaderSymbol{Symbol: 16, Extra: uint8(n - 3)})
				run -= n
			}
		}
		for ; run > 0; run-- {
			out = append(out, coding.HeaderSymbol{Symbol: length})
		}
	}
	return out
}
