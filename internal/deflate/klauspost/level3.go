package klauspost

import "drayage/internal/deflate/coding"

const (
	pairBits  = 16
	pairReach = reach - 4 // matches are no farther, most of them nearer
)

// level3 knows the last two places with a hash, and looks at every byte.
type level3 struct {
	hasher
	margin int  // no match is looked for so near to the end of a chunk
	log    int  // the longer there was no match, the longer are the steps
	step   int  // how far the places are apart that are entered within a match; zero is none
	needed int  // bytes that follow a place behind the last match which is entered
	odd    bool // see follow
	table  [1 << pairBits]two
}

// newLevel3 makes that of an era.
func newLevel3(e *era) *level3 {
	switch {
	case e.five:
		return &level3{hasher: byFive(pairBits), margin: margin, log: 7, step: 6, needed: 8}
	case e.filled:
		return &level3{hasher: byFour(multiplyS, 15), margin: 7, log: 6, needed: 4, odd: true}
	}
	return &level3{hasher: byFour(multiply4, pairBits), margin: 7, log: 6, step: 5, needed: 4}
}

func (l *level3) reset() { clear(l.table[:1<<(64-l.shift)]) }

func (l *level3) lower(by uint32) { lowerPairs(l.table[:], by) }

// enter enters a place, and returns those that were there before.
func (l *level3) enter(w uint64, stands uint32) two {
	e := &l.table[l.of(w)&(1<<pairBits-1)]
	old := *e
	*e = two{stands, old.last}
	return old
}

// word is the next eight bytes, or four where that is all that is looked at.
func (l *level3) word(data []byte, at int) uint64 {
	if at+8 <= len(data) {
		return word(data, at)
	}
	return uint64(half(data, at))
}

func (l *level3) find(out []coding.Token, data []byte, r *run) []coding.Token {
	limit := r.end - l.margin
	for {
		m := l.search(data, limit, r)
		if m.length == 0 {
			return r.rest(out, data)
		}
		for m.length > 0 {
			m.length += same(data, m.start+4, m.start+4-m.distance, r.end)
			out = r.take(out, data, m)
			if r.at >= limit {
				l.enterRest(data, r.from-m.distance, r)
				return r.rest(out, data)
			}
			m = l.follow(data, m, r)
		}
		if r.once {
			return out
		}
	}
}

// search goes forward until four bytes match. Of two matches, the longer one counts.
func (l *level3) search(data []byte, limit int, r *run) found {
	at := r.at
	if at > limit {
		return found{}
	}
	w := l.word(data, at)
	for next := at; ; w = l.word(data, next) {
		at = next
		next = at + 1 + (at-r.from)>>l.log
		if next > limit {
			return found{}
		}
		stands := r.base + uint32(at)
		e := l.enter(w, stands)
		d, before := stands-e.last, stands-e.before
		if d > pairReach {
			continue
		}
		if uint32(w) != half(data, at-int(d)) {
			if before < pairReach && uint32(w) == half(data, at-int(before)) {
				return found{at, 4, int(before), next}
			}
			continue
		}
		if before <= pairReach && uint32(w) == half(data, at-int(before)) {
			n := same(data, at+4, at+4-int(d), r.end)
			if same(data, at+4, at+4-int(before), r.end) > n {
				d = before
			}
		}
		return found{at, 4, int(d), next}
	}
}

// follow looks for a match where m has ended. Early versions do not take the last place with the hash.
func (l *level3) follow(data []byte, m found, r *run) found {
	back := 2
	if l.step == 0 {
		back = 3
	} else {
		for i := r.at - r.length + 2; i < r.at-5; i += l.step {
			l.enter(word(data, i), r.base+uint32(i))
		}
	}
	w, stands := word(data, r.at-back), r.base+uint32(r.at)
	for ; back > 0; back-- {
		l.enter(w, stands-uint32(back))
		w >>= 8
	}
	e := l.enter(w, stands)
	if d := stands - e.last; d < pairReach {
		if uint32(w) != half(data, r.at-int(d)) {
			d = stands - e.before
		} else if l.odd {
			d = pairReach
		}
		if d < pairReach && uint32(w) == half(data, r.at-int(d)) {
			return found{r.at, 4, int(d), m.next}
		}
	}
	r.at++
	return found{}
}

// enterRest enters the place behind what the last match of a chunk repeats.
func (l *level3) enterRest(data []byte, at int, r *run) {
	if at > 0 && at+l.needed < r.end {
		l.enter(l.word(data, at), r.base+uint32(at))
	}
}
