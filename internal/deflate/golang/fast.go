package golang

import (
	"encoding/binary"

	"drayage/internal/deflate/coding"
)

// fast models level 1 up to Go 1.26. It handles chunks of content by themselves, and knows one position for
// each hash of four bytes. The longer it finds nothing, the more positions it leaves out.
type fast struct{}

func (fast) Name() string { return release(false) + "-1" }

func (fast) Framing() coding.Framing {
	return coding.Framing{Closing: ending(false), Align: chunk, Serial: true}
}

func (fast) Predictor() coding.Predictor { return &table{} }

func (fast) Blocks() coding.Blocks { return &chunkBlocks{least: 128, storedUpTo: 16} }

const (
	tableBits  = 14
	tableStart = coding.Window + 1 // the number of the first position: zero is out of reach
	skipShift  = 5
	// fastMargin is how many bytes at the end of a chunk are not looked at.
	fastMargin = 15
	// leastFast is the smallest chunk in which matches are looked for.
	leastFast = 128
)

// table is the coding.Predictor of fast. The encoder writes a chunk without matches if they save too little,
// so that the predictor looks for those of the whole chunk at first.
type table struct {
	data   []byte
	end    bool
	origin int64
	base   int // a position's number is its index in data plus base
	pos    int // where the next token begins
	limit  int // where the chunk ends
	entry  [1 << tableBits]position

	scan  int  // where the search goes on
	begin int  // where literals begin that have no token yet
	after bool // a match ends at scan
	queue []coding.Token
	head  int
	work  int64
}

// position is what stands at a position, and its number.
type position struct{ content, number uint32 }

func (f *table) Begin(s coding.Stretch) {
	clear(f.entry[:])
	f.base, f.limit, f.head, f.queue = tableStart, s.From, 0, f.queue[:0]
	f.data, f.end, f.pos, f.origin = s.Data, s.End, s.From, s.Offset
	for i := max(0, s.From-coding.Window); i < s.From && i+4 <= len(s.Data); i++ {
		f.swap(i, binary.LittleEndian.Uint32(s.Data[i:])) // it knows some of them, most likely the last ones
	}
}

func (f *table) Slide(s coding.Stretch) {
	moved := int(s.Offset - f.origin)
	f.base += moved
	f.limit -= moved
	f.scan -= moved
	f.begin -= moved
	f.data, f.end, f.pos, f.origin = s.Data, s.End, s.From, s.Offset
	if f.base > rebase {
		less := f.base - tableStart
		f.base -= less
		for i := range f.entry {
			f.entry[i].number = uint32(max(int(f.entry[i].number)-less, 0))
		}
	}
}

func (f *table) Predict() coding.Token {
	if f.head == len(f.queue) {
		f.queue, f.head = f.queue[:0], 0
		if f.pos >= f.limit {
			f.chunk()
		} else {
			f.find()
		}
	}
	t := f.queue[f.head]
	f.head++
	f.pos += t.Len()
	return t
}

func (f *table) Work() int64 { return f.work }

// Correct goes on behind t. What was found in the rest of the chunk does not hold.
func (f *table) Correct(t coding.Token) {
	f.work += int64(max(0, f.begin-f.pos))
	f.pos += t.Len() - f.queue[f.head-1].Len()
	f.queue, f.head = f.queue[:0], 0
	f.scan, f.begin, f.after = f.pos, f.pos, t.IsMatch()
}

// chunk finds the tokens of the chunk that begins here.
func (f *table) chunk() {
	begin := f.pos
	past := int((f.origin + int64(begin)) % chunk) // no chunk begins here after a token of another encoder
	f.limit = min(begin-past+chunk, len(f.data))
	f.scan, f.begin, f.after = begin, begin, false
	n := f.limit - begin
	if n >= leastFast {
		for f.begin < f.limit {
			f.find()
		}
	}
	if n < leastFast || len(f.queue) > n-n>>4 {
		f.queue = f.queue[:0]
		f.literals(begin, f.limit)
	}
}

// literals queues those from begin to end.
func (f *table) literals(begin, end int) {
	for _, b := range f.data[begin:end] {
		f.queue = append(f.queue, coding.Literal(b))
	}
	f.begin = end
}

// find queues the literals before the next match, and the match, or all that is left of the chunk.
func (f *table) find() {
	number, ok := f.candidate()
	if !ok {
		f.literals(f.begin, f.limit)
		return
	}
	f.literals(f.begin, f.scan)
	from := int(number) - f.base
	n := common(f.data[:min(f.limit, f.scan+coding.MaxMatch)], from, f.scan)
	f.queue = append(f.queue, coding.Match(n, f.scan-from))
	f.scan += n
	f.begin, f.after = f.scan, true
}

// candidate moves scan to the next match, and returns the number of what it matches.
func (f *table) candidate() (uint32, bool) {
	data, limit := f.data[:f.limit], f.limit-fastMargin
	s := f.scan
	if s >= limit && f.after {
		return 0, false
	}
	if f.after {
		f.swap(s-1, binary.LittleEndian.Uint32(data[s-1:]))
		now := binary.LittleEndian.Uint32(data[s:])
		if old := f.swap(s, now); old.content == now && f.near(s, old.number) {
			return old.number, true
		}
		s++
	}
	for skip := 1 << skipShift; ; {
		step := skip >> skipShift
		if s+step > limit {
			return 0, false
		}
		skip += step
		now := binary.LittleEndian.Uint32(data[s:])
		if old := f.swap(s, now); old.content == now && f.near(s, old.number) {
			f.scan = s
			return old.number, true
		}
		s += step
	}
}

// swap notes a position, and returns what had its place.
func (f *table) swap(s int, content uint32) position {
	hash := content * hashFactor >> (32 - tableBits)
	old := f.entry[hash]
	f.entry[hash] = position{content, uint32(s + f.base)}
	return old
}

// near reports whether a match may reach from s to the position of that number, which lies before it.
func (f *table) near(s int, number uint32) bool {
	return uint32(s+f.base)-number-1 < coding.Window
}
