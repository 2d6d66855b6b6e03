package klauspost

import "drayage/internal/deflate/coding"

// level6 is like level5, but also looks one byte further at the distance of the match before, and tries both
// last places where a match could reach further.
type level6 struct {
	level5
}

func (l *level6) find(out []coding.Token, data []byte, r *run) []coding.Token {
	limit := r.end - margin
	for r.at < limit {
		m := l.search(data, limit, r)
		if m.length == 0 {
			break
		}
		l.improve(data, &m, limit, r)
		out = r.take(out, data, m)
		r.distance = m.distance
		if r.at < limit {
			l.enterMatch(data, m.next+1, r.at-1, r.base)
		} else {
			l.enterRest(data, m.next+1, r)
		}
		if r.once {
			return out
		}
	}
	return r.rest(out, data)
}

func (l *level6) search(data []byte, limit int, r *run) found {
	at, from := r.at, r.from
	w := word(data, at)
	for next := at; ; {
		hs, hl := hash4(w), hash7(w)
		at = next
		next = at + 1 + (at-from)>>7
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
			return l.ahead(data, w, found{at, 4 + same(data, at+4, at+4-d, r.end), d, next}, r)
		}
		w = ahead
	}
}

// ahead looks whether the next byte has a longer match than m at the distance of the match before, or the
// next place has one.
func (l *level6) ahead(data []byte, w uint64, m found, r *run) found {
	next, stands := word(data, m.next), r.base+uint32(m.next)
	long := l.long[hash7(next)]
	l.enter(next, stands)
	if m.length >= coding.MaxMatch {
		return m
	}
	again := m.start + 1 - max(r.distance, 1)
	if again >= 0 && uint32(w>>8) == half(data, again) {
		if n := 4 + same(data, m.start+5, again+4, r.end); n > m.length {
			return found{m.start + 1, n, m.start + 1 - again, m.next}
		}
	}
	d := near(stands, long.last)
	if d == 0 {
		return m
	}
	for _, d := range [2]int{d, near(stands, long.before)} {
		if d > 0 && uint32(next) == half(data, m.next-d) && m.length < coding.MaxMatch {
			if n := 4 + same(data, m.next+4, m.next+4-d, r.end); n > m.length {
				m = found{m.next, n, d, m.next}
			}
		}
	}
	return m
}

// improve looks for a match that reaches further, by what follows m.
func (l *level6) improve(data []byte, m *found, limit int, r *run) {
	end := m.start + m.length
	if l.keeps || end >= limit {
		return
	}
	start := m.start + l.skip
	e := l.long[hash7(word(data, end))]
	places := [2]uint32{e.last, e.before}
	for i, place := range places {
		// The place counts from the end that m has by now.
		d := start + m.length - l.skip - int(int32(place-r.base))
		if i == 0 && d >= reach {
			return
		}
		if d <= 0 || d >= reach || d > start {
			continue
		}
		if n := same(data, start, start-d, r.end); n > m.length {
			m.start, m.length, m.distance = start, n, d
		}
	}
}

// enterMatch enters the places of a match: all of them by seven bytes, and every second one by four.
func (l *level6) enterMatch(data []byte, i, end int, base uint32) {
	for ; i < end; i += 2 {
		w, stands := word(data, i), base+uint32(i)
		l.enter(w, stands)
		l.enterLong(w>>8, stands+1)
	}
}

// enterRest enters every second place behind the last match of a chunk.
func (l *level6) enterRest(data []byte, i int, r *run) {
	for ; i < r.end-8; i += 2 {
		l.enter(word(data, i), r.base+uint32(i))
	}
}
