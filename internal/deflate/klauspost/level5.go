package klauspost

import "drayage/internal/deflate/coding"

const tableBits = 15

func hash4(w uint64) uint32 { return uint32(w) * multiply4 >> (32 - tableBits) }

func hash7(w uint64) uint32 { return uint32(w << 8 * multiply7 >> (64 - tableBits)) }

// two are the last two places with a hash.
type two struct{ last, before uint32 }

// level5 looks places up by four and by seven bytes.
type level5 struct {
	skip  int  // see era
	keeps bool // see era
	short [1 << tableBits]uint32
	long  [1 << tableBits]two
}

func (l *level5) reset() {
	clear(l.short[:])
	clear(l.long[:])
}

func (l *level5) lower(by uint32) {
	lower(l.short[:], by)
	lowerPairs(l.long[:], by)
}

func (l *level5) enter(w uint64, at uint32) {
	l.enterLong(w, at)
	l.short[hash4(w)] = at
}

func (l *level5) enterLong(w uint64, at uint32) {
	e := &l.long[hash7(w)]
	e.last, e.before = at, e.last
}

// near is how far a place is before another. It is 0 for a place that is too far, or not before.
func near(at, place uint32) int {
	if d := at - place; d < reach {
		return int(d)
	}
	return 0
}

func (l *level5) find(out []coding.Token, data []byte, r *run) []coding.Token {
	limit := r.end - margin
	for r.at < limit {
		m := l.search(data, limit, r)
		if m.length == 0 {
			break
		}
		l.improve(data, &m, limit, r)
		out = r.take(out, data, m)
		if r.at < limit {
			l.enterMatch(data, r.at, r.length, r.base)
		}
		if r.once {
			return out
		}
	}
	return r.rest(out, data)
}

// search goes forward until there is a match. The more bytes have had none, the longer the steps are.
func (l *level5) search(data []byte, limit int, r *run) found {
	at, from := r.at, r.from
	w := word(data, at)
	for next := at; ; {
		hs, hl := hash4(w), hash7(w)
		at = next
		next = at + 1 + (at-from)>>6
		if next > limit {
			return found{}
		}
		stands := r.base + uint32(at)
		short, long := l.short[hs], l.long[hl]
		l.short[hs] = stands
		l.long[hl] = two{stands, long.last}
		ahead := word(data, next)

		if d := near(stands, long.last); d > 0 {
			if m := l.longer(data, at, [2]int{d, near(stands, long.before)}, r.end); m.length > 0 {
				l.enter(ahead, r.base+uint32(next))
				m.next = next
				return m
			}
		}
		if d := near(stands, short); d > 0 && uint32(w) == half(data, at-d) {
			return l.ahead(data, found{at, 4 + same(data, at+4, at+4-d, r.end), d, next}, r)
		}
		w = ahead
	}
}

// longer is the longer one of the matches at two distances, the first one if they are equally long.
func (l *level5) longer(data []byte, at int, distances [2]int, end int) (m found) {
	w := half(data, at)
	for _, d := range distances {
		if d > 0 && m.length < coding.MaxMatch && w == half(data, at-d) {
			if n := 4 + same(data, at+4, at+4-d, end); n > m.length {
				m = found{start: at, length: n, distance: d}
			}
		}
	}
	return m
}

// ahead looks whether the next place has a longer match than m.
func (l *level5) ahead(data []byte, m found, r *run) found {
	w, stands := word(data, m.next), r.base+uint32(m.next)
	long := l.long[hash7(w)]
	l.enter(w, stands)
	d := near(stands, long.last)
	if d == 0 || m.length >= coding.MaxMatch {
		return m
	}
	for _, d := range [2]int{d, near(stands, long.before)} {
		if d > 0 && uint32(w) == half(data, m.next-d) {
			if n := 4 + same(data, m.next+4, m.next+4-d, r.end); n > m.length {
				return found{m.next, n, d, m.next}
			}
		}
	}
	return m
}

// improve looks for a match that reaches further, by what follows m.
func (l *level5) improve(data []byte, m *found, limit int, r *run) {
	end := m.start + m.length
	if l.keeps || m.length >= 30 || end >= limit {
		return
	}
	start := m.start + l.skip
	d := near(r.base+uint32(end), l.long[hash7(word(data, end))].last)
	if d == 0 || d > start {
		return
	}
	if n := same(data, start, start-d, r.end); n > m.length {
		m.start, m.length, m.distance = start, n, d
	}
}

// enterMatch enters some of the places of a match, as counted back from where the search goes on.
func (l *level5) enterMatch(data []byte, at, length int, base uint32) {
	if i := at - length + 1; i < at-1 {
		w, stands := word(data, i), base+uint32(i)
		l.enter(w, stands)
		l.enterLong(w>>8, stands+1)
		l.short[hash4(w>>16)] = stands + 2
		for i += 4; i < at-1; i += 3 {
			w, stands := word(data, i), base+uint32(i)
			l.enterLong(w, stands)
			l.short[hash4(w>>8)] = stands + 1
		}
	}
	l.enter(word(data, at-1), base+uint32(at-1))
}
