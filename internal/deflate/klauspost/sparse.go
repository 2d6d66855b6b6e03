package klauspost

import "drayage/internal/deflate/coding"

// hasher makes a hash of the first bytes of a word.
type hasher struct {
	multiply    uint64
	drop, shift uint8 // how many bits of the word do not count, and how many of the product
}

const (
	multiply4 = 2654435761
	multiply5 = 889523592379
	multiply7 = 58295818150454627
	multiplyS = 0x1e35a7bd // that of Snappy
)

// byFour and byFive look at four bytes, or five.
func byFour(multiply uint64, bits uint8) hasher { return hasher{multiply, 32, 64 - bits} }
func byFive(bits uint8) hasher                  { return hasher{multiply5, 24, 64 - bits} }

func (h *hasher) of(w uint64) uint32 {
	return uint32(w << (h.drop & 63) * h.multiply >> (h.shift & 63))
}

const sparseBits = 17

// sparse finds the matches of levels 1 and 2. It has one table, and looks at every second byte.
type sparse struct {
	hasher
	needed int  // bytes that follow a place behind the last match which is entered
	dense  bool // places within matches are entered
	table  [1 << sparseBits]uint32
}

// newSparse makes that of a level. Later eras look places up by five bytes instead of four.
func newSparse(level int, five bool) *sparse {
	l := &sparse{dense: level == 2, needed: 4}
	bits, multiply := uint8(15), uint64(multiplyS)
	if l.dense {
		bits, multiply = sparseBits, multiply4
	}
	l.hasher = byFour(multiply, bits)
	if five {
		l.hasher, l.needed = byFive(bits), 8
	}
	return l
}

func (l *sparse) entry(w uint64) *uint32 { return &l.table[l.of(w)&(1<<sparseBits-1)] }

func (l *sparse) reset() { clear(l.table[:1<<(64-l.shift)]) }

func (l *sparse) lower(by uint32) { lower(l.table[:], by) }

func (l *sparse) find(out []coding.Token, data []byte, r *run) []coding.Token {
	limit := r.end - margin
	for {
		m := l.search(data, limit, r)
		for m.length > 0 {
			m.length += same(data, m.start+4, m.start+4-m.distance, r.end)
			out = r.take(out, data, m)
			if r.at >= limit {
				l.enterRest(data, r)
				return r.rest(out, data)
			}
			m = l.follow(data, m.next, r)
		}
		if m.next > limit {
			return r.rest(out, data)
		}
		if r.once {
			return out
		}
	}
}

// search goes forward until four bytes match.
func (l *sparse) search(data []byte, limit int, r *run) found {
	at := r.at
	if at > limit {
		return found{next: at}
	}
	w := word(data, at)
	for {
		next := at + 2 + (at-r.from)>>5
		if next > limit {
			return found{next: next}
		}
		ahead := word(data, next)
		entry := l.entry(ahead)
		if d := exchange(l.entry(w), r.base+uint32(at)); d > 0 && uint32(w) == half(data, at-d) {
			*entry = r.base + uint32(next)
			return found{at, 4, d, next}
		}
		w, at = ahead, next
		next++
		if d := exchange(entry, r.base+uint32(at)); d > 0 && uint32(w) == half(data, at-d) {
			if !l.dense {
				*entry = r.base + uint32(next) // of the place before it, as the encoder has it
			}
			return found{at, 4, d, next}
		}
		w, at = w>>8, next
	}
}

// exchange enters a place, and returns how near the one is that was there before.
func exchange(entry *uint32, stands uint32) int {
	d := near(stands, *entry)
	*entry = stands
	return d
}

// follow looks for a match where one has ended. It may be as far away as deflate allows.
func (l *sparse) follow(data []byte, next int, r *run) found {
	if l.dense {
		l.enterMatch(data, r)
	}
	w := word(data, r.at-2)
	stands := r.base + uint32(r.at)
	*l.entry(w) = stands - 2
	if l.dense {
		*l.entry(w >> 8) = stands - 1
	}
	entry := l.entry(w >> 16)
	d := stands - *entry
	*entry = stands
	if d > reach || uint32(w>>16) != half(data, r.at-int(d)) {
		r.at++
		return found{}
	}
	return found{r.at, 4, int(d), next}
}

// enterMatch enters three places of every seven of a match, counted back from where the search goes on.
func (l *sparse) enterMatch(data []byte, r *run) {
	for i := r.at - r.length + 2; i < r.at-5; i += 7 {
		w, stands := word(data, i), r.base+uint32(i)
		*l.entry(w) = stands
		*l.entry(w >> 16) = stands + 2
		*l.entry(w >> 32) = stands + 4
	}
}

// enterRest enters a place behind the last match of a chunk.
func (l *sparse) enterRest(data []byte, r *run) {
	if r.at+r.length+l.needed < r.end {
		var w [8]byte
		copy(w[:], data[r.at:r.end])
		*l.entry(word(w[:], 0)) = r.base + uint32(r.at)
	}
}
