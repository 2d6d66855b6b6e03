package klauspost

import (
	"encoding/binary"

	"drayage/internal/deflate/coding"
)

const (
	chainBits  = 17
	least      = 4                       // bytes of a match
	enough     = least + coding.MaxMatch // with fewer bytes ahead, the encoder moves its buffer
	chainStart = firstBase               // the number of the first place
	rebase     = uint32(lastBase)        // when the numbers of places are made smaller
	mask       = coding.Window - 1       // of a number is its place in back
	buffered   = 2 * coding.Window       // bytes that the encoder's buffer holds
	undecided  = least - 1               // the length where there is no match
	unhashed   = least - 1               // places at the end of the buffer have no hash
)

// lazy predicts the tokens of levels 7 to 9. At each place the encoder looks for a match among the last
// places whose first four bytes have the same hash, and takes it at the next place, if there is no longer
// one. It does so in a buffer that moves on by a window.
type lazy struct {
	effort
	*manner
	coder  coder
	dict   int // bytes of the dictionary
	data   []byte
	end    bool
	origin int64 // where data begins, counted from the dictionary
	base   uint32
	pos    int // behind the last token that was predicted
	last   int // its length

	at       int  // the next place that is looked at
	entered  int  // places before it are in chains
	waiting  bool // the byte before it has no token
	length   int  // of the match that was found there
	distance int
	misses   uint16 // literals since the last match
	queue    []coding.Token
	next     int // of queue

	work      int64
	low, high int // the encoder's buffer in data
	weight    weights
	head      [1 << chainBits]uint32
	back      [coding.Window]uint32 // the place that was in head before
}

// Begin places the predictor. All places before it are in chains, but the last ones of a dictionary.
func (l *lazy) Begin(s coding.Stretch) {
	clear(l.head[:])
	l.base, l.dict = chainStart, int(max(0, -s.Offset))
	l.data, l.end, l.origin = s.Data, s.End, s.Offset+int64(l.dict)
	l.pos, l.at, l.high = s.From, s.From, len(s.Data)
	l.queue, l.next = l.queue[:0], 0
	l.resume()
	l.misses = 0
	l.entered = max(0, s.From-coding.Window)
	if l.dict > 0 {
		l.enter(s.From - unhashed)
	} else {
		l.enter(s.From)
	}
	l.entered = s.From
	l.move()
	l.count(l.began(s.From))
}

// began is about where the encoder moved its buffer the last time before it came to a place.
func (l *lazy) began(at int) int {
	if l.low+int(l.origin) == 0 {
		return min(at, max(0, l.dict-int(l.origin)))
	}
	return min(at, max(0, l.low+coding.Window-enough+1))
}

// resume forgets what the encoder knows of the place before.
func (l *lazy) resume() { l.waiting, l.length, l.distance = false, undecided, 0 }

// Slide goes on in another buffer.
func (l *lazy) Slide(s coding.Stretch) {
	origin := s.Offset + int64(l.dict)
	moved := int(origin - l.origin)
	l.base += uint32(moved)
	l.at -= moved
	l.entered -= moved
	l.weight.from -= moved
	l.low -= moved
	l.data, l.end, l.origin, l.pos = s.Data, s.End, origin, s.From
	l.bound()
	if l.base >= rebase {
		by := (l.base - chainStart) &^ mask
		l.base -= by
		lower(l.head[:], by)
		lower(l.back[:], by)
	}
}

// move finds where the encoder's buffer is when it looks at a place for the first time.
func (l *lazy) move() {
	l.low = bufferOf(int(l.origin)+l.at) - int(l.origin)
	l.bound()
}

// bufferOf is where the encoder's buffer begins when it looks at a place.
func bufferOf(at int) int {
	return max(0, (at+enough-buffered+coding.Window-1)/coding.Window*coding.Window)
}

// bound finds the end of the buffer. It does not move behind the end of the content.
func (l *lazy) bound() {
	l.high = min(l.low+buffered, len(l.data))
	for l.end && l.low+int(l.origin) > 0 && len(l.data) <= l.low+coding.Window {
		l.low -= coding.Window
		l.high = len(l.data)
	}
}

// Predict returns the next token.
func (l *lazy) Predict() coding.Token {
	for l.next == len(l.queue) {
		l.queue, l.next = l.queue[:0], 0
		l.step()
	}
	t := l.queue[l.next]
	l.next++
	l.last = t.Len()
	l.pos += l.last
	return t
}

// Work counts steps.
func (l *lazy) Work() int64 { return l.work }

// Correct replaces the last token.
func (l *lazy) Correct(t coding.Token) {
	l.work += int64(max(0, l.at-l.pos))
	l.pos += t.Len() - l.last
	l.last = t.Len()
	l.at = l.pos
	l.queue, l.next = l.queue[:0], 0
	l.resume()
	if t.IsMatch() {
		l.misses = 0
	}
}

// enter puts places in chains, up to one.
func (l *lazy) enter(to int) {
	data := l.data
	for i := l.entered; i < min(to, l.high-unhashed); i++ {
		h, number := l.hash(data, i), l.base+uint32(i)
		l.back[number&mask] = l.head[h]
		l.head[h] = number
	}
	l.entered = max(l.entered, to)
}

func (l *lazy) hash(data []byte, at int) uint32 {
	w := half(data, at)
	if l.bigEndian {
		w = binary.BigEndian.Uint32(data[at:])
	}
	return w * multiply4 >> (32 - chainBits)
}

// step looks at a place, and adds to the queue what has been decided then.
func (l *lazy) step() {
	if l.high-l.at < enough && l.high < len(l.data) {
		l.move()
		l.count(l.at)
	}
	if l.at >= l.high {
		l.flush()
		return
	}
	length, distance := l.length, l.distance
	l.length, l.distance = undecided, 0
	l.enter(l.at + 1)
	if l.high-l.at > length && length < l.lazy {
		l.search()
	}
	if length >= least && l.length <= length {
		l.take(length, distance)
		return
	}
	if l.length >= least {
		l.misses = 0
	}
	if !l.waiting {
		l.at++
		l.waiting = true
		return
	}
	l.misses++
	l.literal()
	l.at++
	l.pass()
}

// flush writes the last byte.
func (l *lazy) flush() {
	if l.waiting {
		l.literal()
		l.waiting = false
	}
}

// literal writes the byte before the place that is looked at.
func (l *lazy) literal() { l.queue = append(l.queue, coding.Literal(l.data[l.at-1])) }

// pass goes on faster where there have been no matches for long.
func (l *lazy) pass() {
	n := l.leap(l.misses, l.chain)
	if n == 0 {
		return
	}
	for ; n > 0 && l.at < l.high-1; n-- {
		l.literal()
		if !l.leaps {
			l.enter(l.at + 1)
		}
		l.at++
	}
	l.entered = max(l.entered, l.at)
	l.literal()
	l.waiting = false
}

// take takes the match of the place before, or a better one.
func (l *lazy) take(length, distance int) {
	if l.peek != nil {
		length, distance = l.peek(l, length, distance)
	}
	l.queue = append(l.queue, coding.Match(length, distance))
	l.at += length - 1
	l.enter(l.at)
	l.resume()
	if !l.leaps {
		l.misses = 0
	}
}
