package klauspost

// effort is how hard one of the levels 7 to 9 tries.
type effort struct {
	lazy  int // a match of this length is taken without a look at the next place
	nice  int // a match of this length ends the search
	chain int // how many places are looked at
}

// manner is how an era searches at the levels 7 to 9.
type manner struct {
	efforts   [3]effort
	block     int  // tokens of a block
	bigEndian bool // hashes take bytes in another order
	leaps     bool // places that are leapt over are not put in chains
	far       int  // up to which distance a match of four bytes is worth it
	// peek looks for a longer match by what stands at the end of one.
	peek func(l *lazy, length, distance int) (int, int)
	// weighs says that level 9 takes a match for the bits that it saves: more than gain, where it takes price
	// beside its extra bits. It counts the first bytes of its buffer, up to counted, to know what literals take.
	weighs      bool
	gain, price int
	counted     int
	whole       bool // the first block of a part is measured as if the dictionary were in it
}

// mannerOf is that of an era. Before 1.14.4, there was no peek, and blocks were smaller.
func mannerOf(e *era) *manner {
	if e.filled {
		return &manner{
			efforts: [3]effort{{8, 24, 16}, {16, 24, 64}, {258, 258, 4096}},
			block:   1 << 14, bigEndian: true, leaps: true, far: 4096, whole: true,
		}
	}
	m := &manner{
		efforts: [3]effort{{12, 16, 24}, {30, 40, 64}, {258, 258, 1024}},
		block:   1 << 15, far: reach, peek: peekInside, weighs: true, price: 6, counted: buffered, whole: true,
	}
	if e.behind {
		m.peek, m.gain, m.price = peekBehind, 4, 3
	}
	if e.trimmed {
		m.counted = buffered / 2
	}
	m.whole = !e.apart
	return m
}

// leap is how many places are not looked at after so many literals without a match.
func (m *manner) leap(misses uint16, chain int) int {
	if m.leaps {
		return int(misses >> 5)
	}
	if over := int(misses) - chain; over > 0 {
		return 1 + over>>6
	}
	return 0
}
