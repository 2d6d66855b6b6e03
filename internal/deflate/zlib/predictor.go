package zlib

import "drayage/internal/deflate/coding"

// predictor finds the tokens of one part. Positions in the tables count from the beginning of the part: the
// buffer may move.
type predictor struct {
	level level
	gnu   bool

	data   []byte
	end    int    // where the content that is known ends in data
	origin int64  // of data[0] in the part
	offset uint32 // the same, as the tables have it
	at     int    // where the next token begins
	start  int    // where the last token began

	shift   uint
	mask    uint32
	buckets *[1 << maxBits]bucket    // by the hash of three bytes
	before  *[windowSize]uint16      // by position, how far before it the last one of the bucket is
	likely  *[1 << likelyBits]uint32 // by a hash of four bytes, the last position with it
	// chain has by position how far before it the last one with the same hash of four bytes is, and what number
	// the position has in its bucket.
	chain   *[windowSize]uint32
	entered int // the positions before are in the chains, as far as they ever will be

	// The slow levels look at the position behind a literal before they write it. What they found is held.
	held   bool
	length int // 0 if no match was found
	back   int

	edge edge // of GNU gzip's window
	work int64
}

// bucket has the last position with a hash, and counts the positions with it.
type bucket struct{ last, count uint32 }

const (
	maxBits    = 16 // of the hash of three bytes
	likelyBits = 15
	spread     = 2654435769 // 2^32 by the golden ratio

	nowhere  = 1 << 16        // farther than any match
	ringMask = windowSize - 1 // of before
)

// Begin implements coding.Predictor.
func (p *predictor) Begin(s coding.Stretch) {
	p.origin, p.offset = s.Offset, uint32(s.Offset)
	for i := range p.buckets {
		p.buckets[i].last = p.offset - nowhere
	}
	for i := range p.likely {
		p.likely[i] = p.offset - nowhere
	}
	p.entered, p.held = 0, false
	p.buffer(s)
	p.at, p.start = s.From, s.From
	begins := s.Offset+int64(s.From) == 0
	if begins || p.level.slow {
		p.enterTo(s.From)
		return
	}
	// The fast levels enter some positions only. Which they are follows from the tokens of the history.
	known := max(0, int(-s.Offset))
	p.enterTo(known)
	for p.at, p.start = known, known; p.at < s.From; {
		p.fast()
	}
	p.at, p.start = s.From, s.From
}

// Slide implements coding.Predictor.
func (p *predictor) Slide(s coding.Stretch) {
	moved := int(s.Offset - p.origin)
	p.origin, p.offset = s.Offset, uint32(s.Offset)
	p.entered -= moved
	p.at -= moved
	p.start -= moved
	p.buffer(s)
}

// buffer has the predictor use the data of s.
func (p *predictor) buffer(s coding.Stretch) {
	p.data, p.end = s.Data, len(s.Data)
	p.edge = noEdge
	if p.gnu && s.End {
		p.edge.watch = p.end - minLookahead
	}
}

// Predict implements coding.Predictor.
func (p *predictor) Predict() coding.Token {
	if p.level.slow {
		return p.slow()
	}
	return p.fast()
}

// Work implements coding.Predictor.
func (p *predictor) Work() int64 { return p.work }

// Correct implements coding.Predictor.
func (p *predictor) Correct(t coding.Token) {
	p.at = p.start + t.Len()
	p.held = false
}

// slow takes a match unless the next position has a longer one.
func (p *predictor) slow() coding.Token {
	i := p.at
	if !p.held {
		p.enterTo(i)
		p.length, p.back = p.look(i, coding.MinMatch-1)
	}
	length, back := p.length, p.back
	p.start, p.held = i, false
	if i+1 < p.end {
		var next, nextBack int
		if length < p.level.lazy {
			next, nextBack = p.look(i+1, max(length, coding.MinMatch-1))
		} else {
			p.enterTo(i + 2)
		}
		if length == 0 || next != 0 {
			p.length, p.back, p.held = next, nextBack, true
			length = 0
		}
	}
	if length != 0 {
		p.at = i + length
		return coding.Match(length, back)
	}
	p.at = i + 1
	return coding.Literal(p.data[i])
}

// fast takes the first match that will do.
func (p *predictor) fast() coding.Token {
	i := p.at
	if i-p.start <= p.level.lazy {
		p.enterTo(i)
	}
	p.entered = max(p.entered, i)
	length, back := p.look(i, coding.MinMatch-1)
	p.start = i
	if length != 0 {
		p.at = i + length
		return coding.Match(length, back)
	}
	p.at = i + 1
	return coding.Literal(p.data[i])
}
