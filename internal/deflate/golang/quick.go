package golang

import (
	"encoding/binary"
	"strconv"

	"drayage/internal/deflate/coding"
)

// quick models levels 1 to 6 of Go 1.27. They handle chunks of content by themselves, and know one or two
// positions for each hash.
type quick struct{ level int }

func (m quick) Name() string { return release(true) + "-" + strconv.Itoa(m.level) }

func (m quick) Framing() coding.Framing {
	return coding.Framing{Closing: ending(true), Align: chunk, Serial: true}
}

func (m quick) Predictor() coding.Predictor { return &seeker{finder: finders[m.level]()} }

func (m quick) Blocks() coding.Blocks {
	return &quickBlocks{tables: tables{penalty: 7}, level: m.level}
}

var finders = [7]func() finder{
	1: func() finder { return &sparse{table: make([]uint32, 1<<15), bits: 15} },
	2: func() finder { return &sparse{table: make([]uint32, 1<<17), bits: 17, dense: true} },
	3: func() finder { return &paired{} },
	4: func() finder { return &twofold{} },
	5: func() finder { return &repeated{} },
	6: func() finder { return &repeated{dense: true} },
}

// finder is what differs between the levels: which positions a level knows, and which match it takes.
type finder interface {
	// search moves s.at to the next match and s.next to what it would look at next. The match is with what
	// stands at from. It may be longer, also to the left.
	search(s *seeker) (from, length int, ok bool)
	// index notes positions of a match that ended before s.at, and reports a match there, if it sees one.
	index(s *seeker, length int) (from int, ok bool)
	// finish notes positions after the last match of a chunk.
	finish(s *seeker, from, length int)
	// note notes a position of the past.
	note(s *seeker, at int)
	// tables are where positions are noted.
	tables() [][]uint32
}

// keeper is a finder that must know where each chunk is.
type keeper interface {
	begin(past []byte, chunks int)
	chunk(content []byte)
}

const (
	quickMargin = 11 // how many bytes at the end of a chunk are not looked at
	reach       = coding.Window - 1
)

// seeker is the coding.Predictor of quick. The encoder writes a chunk without matches if they save too
// little, so that the predictor looks for those of the whole chunk at first.
type seeker struct {
	finder finder
	data   []byte // ends with the chunk
	all    []byte
	origin int64
	base   int // a position's number is its index in data plus base
	pos    int // where the next token begins
	limit  int // where the chunk ends
	queue  []coding.Token
	head   int
	found  bool // the chunk has a match

	at    int // where the search goes on
	next  int // the position that it looked at last, or would have
	begin int // where literals begin that have no token yet
	last  int // the distance of the last match
	known int // what matches at at, if it is not negative

	work int64
}

func (s *seeker) Begin(st coding.Stretch) {
	for _, table := range s.finder.tables() {
		clear(table)
	}
	s.base, s.limit, s.head, s.queue = tableStart, st.From, 0, s.queue[:0]
	s.all, s.pos, s.origin = st.Data, st.From, st.Offset
	s.data = st.Data[:st.From]
	if k, ok := s.finder.(keeper); ok {
		k.begin(s.data, int((st.Offset+int64(st.From))/chunk))
	}
	for i := max(0, st.From-coding.Window); i+8 <= st.From; i++ {
		s.finder.note(s, i) // it knows some of them, most likely the last ones
	}
}

func (s *seeker) Slide(st coding.Stretch) {
	moved := int(st.Offset - s.origin)
	s.base += moved
	s.limit -= moved
	s.at -= moved
	s.next -= moved
	s.begin -= moved
	if s.known >= 0 {
		s.known -= moved
	}
	s.all, s.pos, s.origin = st.Data, st.From, st.Offset
	s.data = s.all[:max(s.limit, 0)]
	if s.base > rebase {
		less := s.base - tableStart
		s.base -= less
		for _, table := range s.finder.tables() {
			for i, number := range table {
				table[i] = uint32(max(int(number)-less, 0))
			}
		}
	}
}

func (s *seeker) Predict() coding.Token {
	if s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
		if s.pos >= s.limit {
			s.chunk()
		} else {
			s.find()
		}
	}
	t := s.queue[s.head]
	s.head++
	s.pos += t.Len()
	return t
}

func (s *seeker) Work() int64 { return s.work }

// Correct goes on behind t. What was found in the rest of the chunk does not hold.
func (s *seeker) Correct(t coding.Token) {
	s.work += int64(max(0, s.begin-s.pos))
	s.pos += t.Len() - s.queue[s.head-1].Len()
	s.queue, s.head = s.queue[:0], 0
	s.at, s.next, s.begin, s.known = s.pos, s.pos-1, s.pos, -1
	if t.IsMatch() && s.pos < s.limit-quickMargin {
		s.last = t.Distance()
		s.matched(s.pos-t.Len()-t.Distance(), t.Len())
	}
}

// chunk finds the tokens of the chunk that begins here.
func (s *seeker) chunk() {
	begin := s.pos
	past := int((s.origin + int64(begin)) % chunk) // no chunk begins here after a token of another encoder
	s.limit = min(begin-past+chunk, len(s.all))
	s.data = s.all[:s.limit]
	if k, ok := s.finder.(keeper); ok {
		k.chunk(s.data[begin:])
	}
	s.at, s.next, s.begin, s.last, s.known = begin, begin, begin, 1, -1
	n := s.limit - begin
	if n >= leastFast {
		for s.begin < s.limit {
			s.find()
		}
	}
	s.found = len(s.queue) < n
	if n < leastFast || len(s.queue) > n-n>>4 {
		s.queue = s.queue[:0]
		s.literals(s.limit, begin)
	}
}

// literals queues those up to end.
func (s *seeker) literals(end, begin int) {
	for _, b := range s.data[begin:end] {
		s.queue = append(s.queue, coding.Literal(b))
	}
	s.begin = end
}

// find queues the literals before the next match, and the match, or all that is left of the chunk.
func (s *seeker) find() {
	from, length, ok := s.known, 0, s.known >= 0
	if !ok {
		from, length, ok = s.finder.search(s)
	}
	if s.known = -1; !ok {
		s.literals(s.limit, s.begin)
		return
	}
	if length == 0 || length == coding.MaxMatch {
		length += common(s.data, from+length, s.at+length)
	}
	for from > 0 && s.at > s.begin && s.data[from-1] == s.data[s.at-1] {
		from, s.at, length = from-1, s.at-1, length+1
	}
	s.literals(s.at, s.begin)
	s.last = s.at - from
	s.matches(length)
	s.at += length
	s.begin = s.at
	s.matched(from, length)
}

// matched goes on behind a match.
func (s *seeker) matched(from, length int) {
	if s.next >= s.at {
		s.at = s.next + 1
	}
	if s.at >= s.limit-quickMargin {
		s.finder.finish(s, from, length)
		return
	}
	if from, ok := s.finder.index(s, length); ok {
		s.known = from
	}
}

// matches queues those for length bytes. The last has at least three.
func (s *seeker) matches(length int) {
	for length > 0 {
		n := length
		switch {
		case n > coding.MaxMatch+coding.MinMatch:
			n = coding.MaxMatch
		case n > coding.MaxMatch:
			n = coding.MaxMatch - coding.MinMatch
		}
		s.queue = append(s.queue, coding.Match(n, s.last))
		length -= n
	}
}

// number is that of the position i.
func (s *seeker) number(i int) uint32 { return uint32(i + s.base) }

// match reports whether the position of that number is at most most before i, and begins with the same four
// bytes.
func (s *seeker) match(i int, number uint32, most uint32) (int, bool) {
	from := int(number) - s.base
	if uint32(i+s.base)-number-1 >= most {
		return from, false
	}
	return from, binary.LittleEndian.Uint32(s.data[from:]) == binary.LittleEndian.Uint32(s.data[i:])
}

func (s *seeker) load(i int) uint64 { return binary.LittleEndian.Uint64(s.data[i:]) }

// limited is how long the match of i with from is, which is known to have four bytes, up to MaxMatch.
func (s *seeker) limited(from, i int) int {
	return common(s.data[:min(len(s.data), i+coding.MaxMatch)], from, i)
}

// hash4, hash5 and hash7 hash as many bytes.
func hash4(u uint64) uint32 { return uint32(u) * 2654435761 >> (32 - 15) }

func hash5(u uint64, bits uint8) uint32 { return uint32(u << 24 * 889523592379 >> (64 - bits)) }

func hash7(u uint64) uint32 { return uint32(u << 8 * 58295818150454627 >> (64 - 15)) }
