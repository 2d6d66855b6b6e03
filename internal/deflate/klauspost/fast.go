package klauspost

import (
	"encoding/binary"
	"math/bits"

	"drayage/internal/deflate/coding"
)

const (
	reach     = coding.Window // matches are nearer than this at levels 1 to 6
	firstBase = 1 << 16       // no entry of a new table is near
	lastBase  = 1 << 31
	margin    = 11 // no match is looked for so near to the end of a chunk
)

// finder finds the matches of a chunk as one of the levels 1 to 6 does. It keeps tables from one chunk to the
// next.
type finder interface {
	// reset empties the tables.
	reset()
	// find appends the tokens of a run to out: all of them, or none if there is no match. A run that goes on
	// after each match has those up to the next one, or the rest as literals.
	find(out []coding.Token, data []byte, r *run) []coding.Token
	// lower subtracts a number from all entries of the tables.
	lower(by uint32)
}

// run is the rest of a chunk.
type run struct {
	from             int // where the match before ended: steps grow with the distance from there
	at               int // where the next match may begin
	floor            int // tokens begin here
	end              int // where the chunk ends
	base             uint32
	length, distance int  // of the match before
	uneven           bool // see era
	once             bool // find returns after a match, and goes on when it is called again
	any              bool // a match was found
	plain            bool // only literals follow
	before           int  // of these, how many there were before those at hand
}

// found is a match. A length of 0 is none.
type found struct {
	start, length, distance int
	next                    int // the next place that was looked at
}

// take appends the literals before a match, and the match, which may begin earlier than it was found.
func (r *run) take(out []coding.Token, data []byte, m found) []coding.Token {
	from := max(r.from, r.floor)
	start, length := m.start, m.length
	for start > from && start > m.distance && data[start-1] == data[start-1-m.distance] {
		start, length = start-1, length+1
	}
	out = appendLiterals(out, data[from:start])
	out = appendLong(out, length, m.distance, r.uneven)
	r.from, r.length = start+length, length
	r.floor = r.from
	r.at = max(r.from, m.next+1)
	r.any = true
	return out
}

// rest appends what is behind the last match.
func (r *run) rest(out []coding.Token, data []byte) []coding.Token {
	if !r.any && !r.once {
		return out
	}
	from := max(r.from, r.floor)
	r.floor = r.end
	if r.once {
		r.plain = true
		return appendLiterals(out, data[from:min(r.end, from+fewLiterals)])
	}
	return appendLiterals(out, data[from:r.end])
}

// fewLiterals is how many literals are written down at once where corrections may make them useless.
const fewLiterals = 64

// fast predicts the tokens of levels 1 to 6. These find the matches of a whole chunk before they decide
// whether to use them.
type fast struct {
	finder
	model   *Model
	stretch coding.Stretch
	base    uint32 // what is added to an index of the data in tables
	at      int    // where the next token begins
	tokens  []coding.Token
	next    int
	run     run  // of the chunk that the tokens are of
	poor    bool // matches hardly pay in this chunk
	work    int64
}

// Begin places the predictor.
func (p *fast) Begin(s coding.Stretch) {
	p.reset()
	p.base = firstBase
	p.stretch, p.tokens, p.next = s, p.tokens[:0], 0
	p.warm(0, s.From)
	p.at, p.run = s.From, run{}
}

// warm fills the tables with what is before a place.
func (p *fast) warm(from, to int) {
	for at := from; at < to; {
		end := min(p.chunkEnd(at), to)
		r := p.model.run(at, end, p.base)
		p.tokens = p.find(p.tokens[:0], p.stretch.Data, &r)
		at = end
	}
	p.tokens, p.next = p.tokens[:0], 0
}

// chunkEnd is where the chunk ends that has the byte at this index. A dictionary is a chunk too.
func (p *fast) chunkEnd(at int) int {
	stands := p.stretch.Offset + int64(at)
	if stands < 0 {
		return int(-p.stretch.Offset)
	}
	return min(at+chunk-int(stands%chunk), len(p.stretch.Data))
}

// Slide goes on in another buffer.
func (p *fast) Slide(s coding.Stretch) {
	p.base += uint32(s.Offset - p.stretch.Offset)
	p.at, p.stretch = s.From, s
	p.tokens, p.next, p.run = p.tokens[:0], 0, run{}
	if p.base >= lastBase {
		p.lower(p.base - firstBase)
		p.base = firstBase
	}
}

// Predict returns the next token.
func (p *fast) Predict() coding.Token {
	if p.next == len(p.tokens) {
		p.fill()
	}
	t := p.tokens[p.next]
	p.next++
	p.at += t.Len()
	return t
}

// more finds more tokens of the chunk that corrections have cut.
func (p *fast) more(out []coding.Token) []coding.Token {
	data, end := p.stretch.Data, p.run.end
	if !p.run.plain {
		p.run.before = 0
		out = p.find(out, data, &p.run)
		if p.run.plain { // it went to the end of the chunk, in steps that grow
			p.work += int64(end-p.at) >> 3
		}
		return out
	}
	if n := p.literals(len(p.tokens)); n < len(p.tokens) {
		p.run.before = n
	} else {
		p.run.before += n
	}
	return appendLiterals(out, data[p.at:min(end, p.at+fewLiterals)])
}

// fill finds the tokens of the next chunk, or more of this one.
func (p *fast) fill() {
	data, at := p.stretch.Data, p.at
	if (p.run.once || p.run.plain) && at < p.run.end {
		p.tokens, p.next = p.more(p.tokens[:0]), 0
		return
	}
	p.tokens, p.next = p.tokens[:0], 0
	end := p.chunkEnd(at)
	p.run = p.model.run(at, end, p.base)
	why := coding.Full
	if end == len(data) && p.stretch.End {
		why = coding.Close
	}
	if p.model.searches(end-at, p.stretch.Offset+int64(at) == 0, why) {
		p.tokens = p.find(p.tokens, data, &p.run)
	}
	size := end - at
	p.poor = len(p.tokens) > size-size>>3
	if n := len(p.tokens); n == 0 || n > size-size>>4 {
		p.tokens = appendLiterals(p.tokens[:0], data[at:end])
	}
}

// Work counts steps.
func (p *fast) Work() int64 { return p.work }

// Correct replaces the last token. When the whole chunk was searched, the tables have places that the encoder
// had not seen yet, and are made again. The rest of the chunk is searched as far as it is asked for.
func (p *fast) Correct(t coding.Token) {
	if p.work += fewLiterals; !p.run.plain {
		p.work += int64(max(0, p.run.floor-p.at))
	}
	p.at -= p.tokens[p.next-1].Len()
	from := p.at - p.literals(p.next-1)
	if p.at-from == p.next-1 {
		from -= p.run.before
	}
	p.run.before = 0
	p.at += t.Len()
	if t.IsMatch() {
		from, p.run.distance = p.at, t.Distance()
	}
	p.tokens, p.next = p.tokens[:0], 0
	if p.at >= p.run.end {
		return
	}
	if p.run.plain = !t.IsMatch() && p.poor; p.run.plain {
		return
	}
	if !p.run.once {
		p.reset()
		p.warm(max(0, p.at-coding.Window), p.at)
		p.work += coding.Window
	}
	p.run.once, p.run.from, p.run.at, p.run.floor = true, from, p.at, p.at
}

// literals counts the literals at the end of the first n tokens at hand.
func (p *fast) literals(n int) (count int) {
	for count < n && !p.tokens[n-1-count].IsMatch() {
		count++
	}
	return count
}

// blind finds nothing.
type blind struct{}

func (blind) reset() {}

func (blind) lower(uint32) {}

func (blind) find(out []coding.Token, data []byte, r *run) []coding.Token { return r.rest(out, data) }

// lower subtracts a number from the entries of a table. None gets below zero.
func lower(table []uint32, by uint32) {
	for i, e := range table {
		table[i] = e - min(e, by)
	}
}

func lowerPairs(table []two, by uint32) {
	for i, e := range table {
		table[i] = two{e.last - min(e.last, by), e.before - min(e.before, by)}
	}
}

// word is the next eight bytes.
func word(data []byte, at int) uint64 { return binary.LittleEndian.Uint64(data[at:]) }

func half(data []byte, at int) uint32 { return binary.LittleEndian.Uint32(data[at:]) }

// same is how many bytes at a and b are equal, up to the end of the chunk. The place b is before a.
func same(data []byte, a, b, end int) int {
	start := a
	for a+8 <= end {
		if x := word(data, a) ^ word(data, b); x != 0 {
			return a - start + bits.TrailingZeros64(x)>>3
		}
		a, b = a+8, b+8
	}
	for a < end && data[a] == data[b] {
		a, b = a+1, b+1
	}
	return a - start
}

func appendLiterals(out []coding.Token, data []byte) []coding.Token {
	for _, b := range data {
		out = append(out, coding.Literal(b))
	}
	return out
}

// appendLong appends a match of any length as several. Those before the last have 255 bytes, so that no rest
// is too short. If they may be uneven, those that more than 3 bytes follow have 258.
func appendLong(out []coding.Token, length, distance int, uneven bool) []coding.Token {
	for length > 0 {
		n := length
		if uneven && n > coding.MaxMatch+coding.MinMatch {
			n = coding.MaxMatch
		} else if n > coding.MaxMatch {
			n = coding.MaxMatch - coding.MinMatch
		}
		out = append(out, coding.Match(n, distance))
		length -= n
	}
	return out
}
