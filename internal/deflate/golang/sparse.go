package golang

import "drayage/internal/deflate/coding"

// sparse is the finder of levels 1 and 2. It looks at two positions in turn, the farther apart the longer it
// finds nothing.
type sparse struct {
	table []uint32
	bits  uint8
	dense bool // level 2 notes more positions
}

func (f *sparse) tables() [][]uint32 { return [][]uint32{f.table} }

func (f *sparse) note(s *seeker, at int) { f.swap(s, at) }

// swap notes a position, and returns what had its place.
func (f *sparse) swap(s *seeker, at int) uint32 {
	entry := &f.table[hash5(s.load(at), f.bits)]
	old := *entry
	*entry = s.number(at)
	return old
}

func (f *sparse) search(s *seeker) (from, length int, ok bool) {
	last := s.limit - quickMargin
	for at := s.at; ; at = s.next {
		s.next = at + 2 + (at-s.begin)>>5
		if s.next > last {
			return 0, 0, false
		}
		if from, ok := s.match(at, f.swap(s, at), reach); ok {
			f.swap(s, s.next)
			s.at = at
			return from, 0, true
		}
		at = s.next
		s.next++
		if from, ok := s.match(at, f.swap(s, at), reach); ok {
			if s.at = at; !f.dense { // level 1 notes the next position in the place of this one
				f.table[hash5(s.load(at), f.bits)] = s.number(s.next)
			}
			return from, 0, true
		}
	}
}

func (f *sparse) index(s *seeker, length int) (int, bool) {
	at := s.at
	if f.dense {
		for i := at - length + 2; i < at-5; i += 7 {
			f.swap(s, i)
			f.swap(s, i+2)
			f.table[hash5(s.load(i)>>32, f.bits)] = s.number(i + 4) // of four bytes and a zero
		}
	}
	f.swap(s, at-2)
	if f.dense {
		f.swap(s, at-1)
	}
	from, ok := s.match(at, f.swap(s, at), coding.Window)
	if !ok {
		s.at++
	}
	return from, ok
}

func (f *sparse) finish(s *seeker, _, length int) {
	if s.at+length+8 < s.limit {
		f.swap(s, s.at)
	}
}

// pair has the numbers of two positions that have the same hash, the later one first.
type pair [2]uint32

func (p *pair) push(number uint32) { p[0], p[1] = number, p[0] }

// paired is the finder of level 3. It looks at two positions for each hash.
type paired struct{ table [2 << 16]uint32 }

func (f *paired) tables() [][]uint32 { return [][]uint32{f.table[:]} }

func (f *paired) note(s *seeker, at int) { f.swap(s, at) }

// swap notes a position, and returns what had its place.
func (f *paired) swap(s *seeker, at int) pair {
	entry := (*pair)(f.table[2*hash5(s.load(at), 16):])
	old := *entry
	entry.push(s.number(at))
	return old
}

const pairedReach = coding.Window - 4

func (f *paired) search(s *seeker) (from, length int, ok bool) {
	last := s.limit - quickMargin
	for at := s.at; ; at = s.next {
		s.next = at + 1 + (at-s.begin)>>7
		if s.next > last {
			return 0, 0, false
		}
		old := f.swap(s, at)
		if s.number(at)-old[0] > pairedReach {
			continue
		}
		from, ok := s.match(at, old[0], pairedReach)
		if ok {
			s.at = at
			if other, ok := s.match(at, old[1], pairedReach); ok &&
				common(s.data, other, at) > common(s.data, from, at) {
				from = other
			}
			return from, 0, true
		}
		if from, ok = s.match(at, old[1], pairedReach-1); ok {
			s.at = at
			return from, 0, true
		}
	}
}

func (f *paired) index(s *seeker, length int) (int, bool) {
	at := s.at
	for i := at - length + 2; i < at-5; i += 6 {
		f.swap(s, i)
	}
	f.swap(s, at-2)
	f.swap(s, at-1)
	old := f.swap(s, at)
	if s.number(at)-old[0] < pairedReach {
		if from, ok := s.match(at, old[0], pairedReach-1); ok {
			return from, true
		}
		if from, ok := s.match(at, old[1], pairedReach-1); ok {
			return from, true
		}
	}
	s.at++
	return 0, false
}

func (f *paired) finish(s *seeker, from, length int) {
	if from+length+8 < s.limit {
		f.swap(s, from+length)
	}
}
