package zlib

import "drayage/internal/deflate/coding"

// Framing implements coding.Model.
func (m model) Framing() coding.Framing {
	if m.piece == 0 {
		return coding.Framing{Holds: levels[m.level].slow, Serial: !levels[m.level].slow}
	}
	return coding.Framing{Part: m.piece, Dictionary: windowSize, Marker: align, Holds: levels[m.level].slow}
}

// align has the output end with a byte. An empty block of fixed codes has ten bits: up to three of them do it
// from an even bit. A stored one does it from an odd bit.
func align(bit int) []coding.Kind {
	if bit%2 == 1 {
		return []coding.Kind{coding.Stored}
	}
	return []coding.Kind{coding.Fixed, coding.Fixed, coding.Fixed}[:(8-bit)%8/2]
}
