package klauspost

import "drayage/internal/deflate/coding"

// level4 looks places up by four and by seven bytes, and knows one of each.
type level4 struct {
	astray  bool // see era
	history      // if astray
	short   [1 << tableBits]uint32
	long    [1 << tableBits]uint32
}

func (l *level4) reset() {
	clear(l.short[:])
	clear(l.long[:])
	l.forget()
}

func (l *level4) lower(by uint32) {
	lower(l.short[:], by)
	lower(l.long[:], by)
	l.stands -= min(l.stands, by)
}

func (l *level4) find(out []coding.Token, data []byte, r *run) []coding.Token {
	if l.astray {
		l.keep(data, r)
	}
	limit := r.end - margin
	for r.at < limit {
		m := l.search(data, limit, r)
		if m.length == 0 {
			break
		}
		m.length += same(data, m.start+4, m.start+4-m.distance, r.end)
		out = r.take(out, data, m)
		if r.at < limit {
			l.enterMatch(data, m.next, r)
		} else if r.at+8 < r.end {
			l.enter(word(data, r.at), r.base+uint32(r.at))
		}
		if r.once {
			return out
		}
	}
	return r.rest(out, data)
}

func (l *level4) enter(w uint64, stands uint32) {
	l.short[hash4(w)], l.long[hash7(w)] = stands, stands
}

// search goes forward until four bytes match.
func (l *level4) search(data []byte, limit int, r *run) found {
	at := r.at
	w := word(data, at)
	for next := at; ; {
		hs, hl := hash4(w), hash7(w)
		at = next
		next = at + 1 + (at-r.from)>>6
		if next > limit {
			return found{}
		}
		stands := r.base + uint32(at)
		ds, dl := near(stands, l.short[hs]), near(stands, l.long[hl])
		l.short[hs], l.long[hl] = stands, stands
		if dl > 0 && uint32(w) == half(data, at-dl) {
			return found{at, 4, dl, next}
		}
		ahead := word(data, next)
		if ds > 0 && uint32(w) == half(data, at-ds) {
			d := near(r.base+uint32(next), l.long[hash7(ahead)])
			if d > 0 && uint32(ahead) == half(data, next-d) && l.better(data, found{at, 4, ds, next}, d, r.end) {
				return found{next, 4, d, next}
			}
			return found{at, 4, ds, next}
		}
		w = ahead
	}
}

// better reports whether the match at the next place is longer than m.
func (l *level4) better(data []byte, m found, distance, end int) bool {
	n := same(data, m.start+4, m.start+4-m.distance, end)
	if l.astray {
		return l.repeats(distance+4, data[m.next+4:end], n+1)
	}
	return same(data, m.next+4, m.next+4-distance, end) > n
}

// enterMatch enters some of the places of a match, and the last one.
func (l *level4) enterMatch(data []byte, i int, r *run) {
	for ; i < r.at-1; i += 3 {
		w, stands := word(data, i), r.base+uint32(i)
		l.long[hash7(w)] = stands
		l.enter(w>>8, stands+1)
	}
	l.enter(word(data, r.at-1), r.base+uint32(r.at-1))
}

// history is the content that the encoder has in its buffer: some chunks, and what precedes them.
type history struct {
	content []byte
	stands  uint32 // where it ends
}

const mostHistory = 5 * chunk

func (h *history) forget() { h.content, h.stands = h.content[:0], 0 }

// keep adds a chunk, unless that has been done.
func (h *history) keep(data []byte, r *run) {
	end := r.base + uint32(r.end)
	if h.stands == end {
		return
	}
	from := r.at
	if h.stands > 0 {
		from = min(from, int(h.stands-r.base))
	}
	if kept := len(h.content); kept+r.end-from > mostHistory {
		h.content = h.content[:copy(h.content, h.content[kept-coding.Window:])]
	}
	h.content = append(h.content, data[from:r.end]...)
	h.stands = end
}

// repeats reports whether n bytes at a place of the buffer equal those that are given.
func (h *history) repeats(at int, data []byte, n int) bool {
	return n <= len(data) && at+n <= len(h.content) && string(h.content[at:at+n]) == string(data[:n])
}
