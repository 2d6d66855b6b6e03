package deflate

import (
	"errors"

	"drayage/internal/deflate/coding"
)

// errCorrupt is a stream that no decoder of deflate takes.
var errCorrupt = errors.New("the deflate stream is damaged")

// repeats are the extra bits of the header symbols 16 to 18, and how often they repeat at least.
var repeatBits, repeatBase = [...]uint8{2, 3, 7}, [...]uint8{3, 3, 11}

// readHeader reads how a Dynamic block is coded.
func readHeader(b *bitReader, s *coding.Shape) error {
	h := &s.Header
	h.Literals, h.Distances, h.Count = int(b.take(5))+257, int(b.take(5))+1, int(b.take(4))+4
	if h.Literals > coding.Literals || h.Distances > coding.Distances {
		return errCorrupt
	}
	for _, symbol := range coding.HeaderOrder[:h.Count] {
		h.Lengths[symbol] = uint8(b.take(3))
	}
	if completenessOf(h.Lengths[:]) != complete {
		return errCorrupt
	}
	var d decoder
	d.set(h.Lengths[:])
	for n := 0; n < h.Literals+h.Distances; {
		b.fill()
		entry := d.look(b.bits)
		b.take(int(entry & lengthMask))
		s := coding.HeaderSymbol{Symbol: uint8(entry >> lengthBits)}
		n++
		if s.Symbol >= 16 {
			s.Extra = uint8(b.take(int(repeatBits[s.Symbol-16])))
			n += int(repeatBase[s.Symbol-16]+s.Extra) - 1
		}
		h.Symbols = append(h.Symbols, s)
		if err := b.ended(); err != nil {
			return err
		}
	}
	return expand(h, &s.Code)
}

// expand sets the code lengths to what the header's symbols say.
func expand(h *coding.Header, c *coding.Code) error {
	if h.Literals > coding.Literals || h.Distances > coding.Distances || h.Literals < 257 || h.Distances < 1 {
		return errCorrupt
	}
	var all [coding.Literals + coding.Distances]uint8
	n := 0
	for _, s := range h.Symbols {
		length, times := s.Symbol, 1
		if s.Symbol >= 16 {
			length, times = 0, int(repeatBase[s.Symbol-16]+s.Extra)
			if s.Symbol == 16 && n == 0 {
				return errCorrupt
			}
			if s.Symbol == 16 {
				length = all[n-1]
			}
		}
		if n+times > h.Literals+h.Distances {
			return errCorrupt
		}
		for range times {
			all[n] = length
			n++
		}
	}
	if n != h.Literals+h.Distances {
		return errCorrupt
	}
	*c = coding.Code{}
	copy(c.Literals[:], all[:h.Literals])
	copy(c.Distances[:], all[h.Literals:n])
	return usable(c)
}

// usable refuses codes that decoders refuse.
func usable(c *coding.Code) error {
	literals, distances := completenessOf(c.Literals[:]), completenessOf(c.Distances[:])
	if c.Literals[coding.EndBlock] == 0 || literals != complete && literals != single ||
		distances == partial || distances == excessive {
		return errCorrupt
	}
	return nil
}

// runs are the symbols that most encoders write code lengths as: the longest repetitions, first come, first
// served.
func runs(h *coding.Header, c *coding.Code) {
	var all [coding.Literals + coding.Distances]uint8
	n := copy(all[:], c.Literals[:h.Literals])
	n += copy(all[n:], c.Distances[:h.Distances])
	h.Symbols = h.Symbols[:0]
	for i := 0; i < n; {
		end := i + 1
		for end < n && all[end] == all[i] {
			end++
		}
		h.Symbols = appendRun(h.Symbols, all[i], end-i)
		i = end
	}
}

func appendRun(to []coding.HeaderSymbol, length uint8, times int) []coding.HeaderSymbol {
	if length > 0 {
		to = append(to, coding.HeaderSymbol{Symbol: length})
		times--
	}
	for times >= 3 {
		symbol, most := uint8(16), 6
		switch {
		case length == 0 && times <= 10:
			symbol, most = 17, 10
		case length == 0:
			symbol, most = 18, 138
		}
		n := min(times, most)
		to = append(to, coding.HeaderSymbol{Symbol: symbol, Extra: uint8(n) - repeatBase[symbol-16]})
		times -= n
	}
	for range times {
		to = append(to, coding.HeaderSymbol{Symbol: length})
	}
	return to
}
