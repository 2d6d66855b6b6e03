package golang

import (
	"encoding/binary"

	"drayage/internal/deflate/coding"
)

// twofold is the finder of level 4. It looks for a match of a longer hash, and for one of four bytes.
type twofold struct {
	short, long [1 << 15]uint32
	kept        []byte // what the encoder has of the content, up to the end of the chunk
}

// keptMost is how much content the encoder has at most.
const keptMost = 5 * chunk

// begin begins behind so many chunks. What the encoder keeps of them and is not in past is not known.
func (f *twofold) begin(past []byte, chunks int) {
	n := chunks * chunk
	if n > keptMost {
		n = coding.Window + ((chunks-2)%4+1)*chunk
	}
	past = past[max(0, len(past)-n):]
	f.kept = append(append(f.kept[:0], make([]byte, n-len(past))...), past...)
}

func (f *twofold) chunk(content []byte) {
	if n := len(f.kept) - coding.Window; len(f.kept)+len(content) > keptMost {
		f.kept = f.kept[:copy(f.kept, f.kept[n:])]
	}
	f.kept = append(f.kept, content...)
}

func (f *twofold) tables() [][]uint32 { return [][]uint32{f.short[:], f.long[:]} }

func (f *twofold) note(s *seeker, at int) {
	u, number := s.load(at), s.number(at)
	f.short[hash4(u)], f.long[hash7(u)] = number, number
}

func (f *twofold) search(s *seeker) (from, length int, ok bool) {
	last := s.limit - quickMargin
	for at := s.at; ; at = s.next {
		s.next = at + 1 + (at-s.begin)>>6
		if s.next > last {
			return 0, 0, false
		}
		u, number := s.load(at), s.number(at)
		short, long := &f.short[hash4(u)], &f.long[hash7(u)]
		near, far := *short, *long
		*short, *long = number, number
		s.at = at
		if from, ok := s.match(at, far, reach); ok {
			return from, 0, true
		}
		if from, ok := s.match(at, near, reach); ok {
			return f.orNext(s, from), 0, true
		}
	}
}

// orNext prefers the match that the next position has, if it is longer. The encoder takes the distance of
// that match for its place, so that the length is that of another.
func (f *twofold) orNext(s *seeker, from int) int {
	other, ok := s.match(s.next, f.long[hash7(s.load(s.next))], reach)
	if !ok {
		return from
	}
	a, b := s.data[s.next+minMatch:], f.kept[min(s.next-other+minMatch, len(f.kept)):]
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	if n > common(s.data, from, s.at)-minMatch {
		s.at = s.next
		return other
	}
	return from
}

func (f *twofold) index(s *seeker, _ int) (int, bool) {
	for i := s.next; i < s.at-1; i += 3 {
		u, number := s.load(i), s.number(i)
		f.long[hash7(u)] = number
		f.long[hash7(u>>8)] = number + 1
		f.short[hash4(u>>8)] = number + 1
	}
	f.note(s, s.at-1)
	return 0, false
}

func (f *twofold) finish(s *seeker, _, _ int) {
	if s.at+8 < s.limit {
		f.note(s, s.at)
	}
}

// repeated is the finder of levels 5 and 6. It knows two positions for each longer hash, and looks for a
// better match where one ends.
type repeated struct {
	short [1 << 15]uint32
	long  [2 << 15]uint32
	dense bool // level 6 tries the last distance again, looks at more positions and notes more
}

func (f *repeated) tables() [][]uint32 { return [][]uint32{f.short[:], f.long[:]} }

func (f *repeated) note(s *seeker, at int) {
	u := s.load(at)
	f.short[hash4(u)] = s.number(at)
	f.pair(u).push(s.number(at))
}

func (f *repeated) pair(u uint64) *pair { return (*pair)(f.long[2*hash7(u):]) }

func (f *repeated) search(s *seeker) (from, length int, ok bool) {
	last, shift := s.limit-quickMargin, 6
	if f.dense {
		shift = 7
	}
	for at := s.at; ; at = s.next {
		s.next = at + 1 + (at-s.begin)>>shift
		if s.next > last {
			return 0, 0, false
		}
		u, number := s.load(at), s.number(at)
		short, long := &f.short[hash4(u)], f.pair(u)
		near, far := *short, *long
		*short = number
		long.push(number)
		s.at = at
		if from, length, ok = f.farther(s, far); !ok {
			if from, ok = s.match(at, near, reach); !ok {
				continue
			}
			from, length = f.orNext(s, from)
		}
		from, length = f.better(s, from, length)
		return from, length, true
	}
}

// farther takes the longer match with one of the positions of far.
func (f *repeated) farther(s *seeker, far pair) (from, length int, ok bool) {
	if s.number(s.at)-far[0] > reach {
		return 0, 0, false
	}
	from, ok = s.match(s.at, far[0], reach)
	other, also := s.match(s.at, far[1], reach)
	if !ok && !also {
		return 0, 0, false
	}
	f.note(s, s.next)
	if !ok {
		return other, 0, true
	}
	if also {
		length = s.limited(from, s.at)
		if n := s.limited(other, s.at); n > length {
			return other, n, true
		}
	}
	return from, length, true
}

// orNext prefers the match of the next position, if it is longer, or that with the last distance.
func (f *repeated) orNext(s *seeker, from int) (int, int) {
	at, length := s.at, s.limited(from, s.at)
	far := *f.pair(s.load(s.next))
	f.note(s, s.next)
	if again := at + 1 - s.last; f.dense && again >= 0 &&
		binary.LittleEndian.Uint32(s.data[again:]) == binary.LittleEndian.Uint32(s.data[at+1:]) {
		if n := s.limited(again, at+1); n > length {
			s.at++
			return again, n
		}
	}
	if s.number(s.next)-far[0] > reach {
		return from, length
	}
	for _, number := range far {
		if other, ok := s.match(s.next, number, reach); ok {
			if n := s.limited(other, s.next); n > length {
				s.at = s.next
				from, length = other, n
				if !f.dense {
					break
				}
			}
		}
	}
	return from, length
}

// better looks for a longer match that has the end of this one, and may differ in its first bytes.
func (f *repeated) better(s *seeker, from, length int) (int, int) {
	if length == 0 || length == 258 {
		length += common(s.data, from+length, s.at+length)
	}
	const skip = 2
	end, at := s.at+length, s.at+skip
	if end >= s.limit-quickMargin || !f.dense && length >= 30 {
		return from, length
	}
	far := *f.pair(s.load(end))
	for i, number := range far {
		other := int(number) - s.base - length + skip
		if at-other > reach || i > 0 && !f.dense {
			break
		}
		if other >= 0 && other < at {
			if n := common(s.data, other, at); n > length {
				from, length, s.at = other, n, at
			}
		}
	}
	return from, length
}

func (f *repeated) index(s *seeker, length int) (int, bool) {
	if f.dense {
		for i := s.next + 1; i < s.at-1; i += 2 {
			f.note(s, i)
			f.pair(s.load(i + 1)).push(s.number(i + 1))
		}
		return 0, false
	}
	i := s.at - length + 1
	if i < s.at-1 {
		f.note(s, i)
		f.pair(s.load(i + 1)).push(s.number(i + 1))
		f.short[hash4(s.load(i+2))] = s.number(i + 2)
		for i += 4; i < s.at-1; i += 3 {
			f.pair(s.load(i)).push(s.number(i))
			f.short[hash4(s.load(i+1))] = s.number(i + 1)
		}
	}
	f.note(s, s.at-1)
	return 0, false
}

func (f *repeated) finish(s *seeker, _, _ int) {
	if f.dense {
		for i := s.next + 1; i < s.limit-8; i += 2 {
			f.note(s, i)
		}
	}
}
