package golang

import (
	"encoding/binary"

	"drayage/internal/deflate/coding"
)

// links is the coding.Predictor of patient. It does what the encoder does, and keeps tokens that it found
// early.
type links struct {
	effort
	data   []byte
	end    bool
	origin int64
	next   int // positions before it are in chains
	base   int // a position's number is its index in data plus base
	head   [1 << chainBits]uint32
	back   [coding.Window]uint16

	buffer int // where the encoder's buffer begins in data
	limit  int // where what it holds ends

	at       int // the position that it looks at
	held     bool
	length   int // the match of the position before
	distance int
	idle     uint16 // literals since the last match
	cost     [256]uint8
	coder    coder

	pos   int // where the next token begins
	queue []coding.Token
	first int

	work int64
}

func (l *links) Begin(s coding.Stretch) {
	clear(l.head[:])
	l.base, l.next = chainStart, 0
	l.data, l.end, l.pos, l.origin = s.Data, s.End, s.From, s.Offset
	var b buffer
	b.reach(l.origin + int64(s.From))
	l.buffer = int(b.start - l.origin)
	l.idle = 0
	l.index(s.From)
	l.restart()
	l.fill()
}

// restart goes on at pos.
func (l *links) restart() {
	l.at, l.held, l.length = l.pos, false, minMatch-1
	l.queue, l.first = l.queue[:0], 0
}

func (l *links) Slide(s coding.Stretch) {
	moved := int(s.Offset - l.origin)
	l.base += moved
	l.next -= moved
	l.at -= moved
	l.buffer -= moved
	l.limit -= moved
	l.data, l.end, l.pos, l.origin = s.Data, s.End, s.From, s.Offset
	if l.base > rebase {
		less := (l.base - chainStart) &^ windowMask
		l.base -= less
		for i, number := range l.head {
			l.head[i] = uint32(max(int(number)-less, 0))
		}
	}
}

func (l *links) Predict() coding.Token {
	for l.first == len(l.queue) {
		l.queue, l.first = l.queue[:0], 0
		l.step()
	}
	t := l.queue[l.first]
	l.first++
	l.pos += t.Len()
	return t
}

func (l *links) Work() int64 { return l.work }

func (l *links) Correct(t coding.Token) {
	l.work += int64(max(0, l.at-l.pos))
	l.pos += t.Len() - l.queue[l.first-1].Len()
	l.restart()
	if t.IsMatch() {
		l.idle = 0
	}
}

// more reports whether content follows what the buffer holds.
func (l *links) more() bool { return !l.end || l.limit < len(l.data) }

// move moves the buffer on.
func (l *links) move() {
	l.buffer += coding.Window
	l.fill()
}

// fill fills the buffer. Level 9 prefers matches of bytes that are rare in what it has.
func (l *links) fill() {
	l.limit = min(l.buffer+2*coding.Window, len(l.data))
	if l.chain < 100 || l.at >= l.limit {
		return
	}
	var weights [256]uint32
	for _, b := range l.data[l.at:min(l.limit, l.at+patientTokens)] {
		weights[b]++
	}
	l.coder.lengths(l.cost[:], weights[:], maxCode)
}

// index puts the positions before end in chains. The last three of what the buffer holds are left out.
func (l *links) index(end int) {
	end = min(end, len(l.data)-minMatch+1)
	for i := l.next; i < end; i++ {
		entry := &l.head[l.hash(i)]
		number := uint32(i + l.base)
		l.back[number&windowMask] = uint16(min(number-*entry, 1<<16-1))
		*entry = number
	}
	l.next = max(l.next, end)
}

func (l *links) hash(i int) uint32 {
	return binary.LittleEndian.Uint32(l.data[i:]) * 2654435761 >> (32 - chainBits)
}

// step looks at a position.
func (l *links) step() {
	ahead := l.limit - l.at
	if ahead < coding.MaxMatch+minMatch {
		if l.more() {
			l.move()
			return
		}
		if ahead == 0 {
			l.literal(l.at - 1)
			return
		}
	}
	l.index(min(l.at, l.limit-minMatch) + 1)
	before, distance := l.length, l.distance
	l.length = minMatch - 1
	if ahead > before && before < l.lazy {
		l.length, l.distance = l.search(l.at, ahead)
	}
	switch {
	case before >= minMatch && l.length <= before:
		l.match(before, distance, ahead)
		return
	case l.length >= minMatch:
		l.idle = 0
	}
	l.at++
	if !l.held {
		l.held = true
		return
	}
	l.idle++
	l.literal(l.at - 2)
	l.skip()
}

func (l *links) literal(i int) { l.queue = append(l.queue, coding.Literal(l.data[i])) }

// skip passes over positions after many literals.
func (l *links) skip() {
	n := int(l.idle) - l.chain
	if n <= 0 {
		return
	}
	for range 1 + n>>6 {
		if l.at >= l.limit-1 {
			break
		}
		l.literal(l.at - 1)
		l.index(min(l.at, l.limit-minMatch) + 1)
		l.at++
		if l.at > l.limit-minMatch+1 {
			l.next = l.at
		}
	}
	l.literal(l.at - 1)
	l.held = false
}

// match takes the match of the position before.
func (l *links) match(length, distance, ahead int) {
	length, distance = l.better(length, distance, ahead)
	l.queue = append(l.queue, coding.Match(length, distance))
	l.at += length - 1
	l.held, l.length, l.idle = false, minMatch-1, 0
}

// better looks for a longer match that has the end of this one, and may differ in its first two bytes. These
// become literals then.
func (l *links) better(length, distance, ahead int) (int, int) {
	const skip = 2
	begin := l.at - 1
	if length >= coding.MaxMatch-skip || begin+length >= l.limit-minMatch+1 {
		return length, distance
	}
	number := l.head[l.hash(begin+length)]
	other := int(number) - l.base - length
	if begin-other == distance || other <= max(l.at-coding.Window, l.buffer)+skip || other >= begin {
		return length, distance
	}
	end := begin + min(ahead, coding.MaxMatch+skip)
	n := common(l.data[:end], other+skip, begin+skip)
	if n <= length {
		return length, distance
	}
	for i := skip - 1; i >= 0; i-- {
		if n >= coding.MaxMatch || l.data[begin+i] != l.data[other+i] {
			for j := range i + 1 {
				l.literal(begin + j)
				l.at++
			}
			break
		}
		n++
	}
	return n, begin - other
}

// search returns the match at p. Level 9 takes one only if it is worth more than those before.
func (l *links) search(p, ahead int) (length, distance int) {
	room, best, gain := min(ahead, coding.MaxMatch), minMatch-1, 4
	length = best
	data, nice := l.data[:p+room], min(l.nice, room)
	first := uint32(max(p-coding.Window, l.buffer) + l.base)
	number := uint32(p + l.base)
	number -= uint32(l.back[number&windowMask])
	tries := l.chain
	for ; tries > 0 && number >= first; tries-- {
		i := int(number) - l.base
		if data[i+best] == data[p+best] {
			n := common(data, i, p)
			l.work += int64(n >> 3)
			if worth := gain; n > best {
				if l.chain >= 100 {
					worth = l.gain(p, n, p-i)
					l.work += int64(n)
				}
				if l.chain < 100 || worth > gain {
					best, length, distance, gain = n, n, p-i, worth
					if n >= nice {
						break
					}
				}
			}
		}
		number -= uint32(l.back[number&windowMask])
	}
	l.work += int64(l.chain - tries)
	return length, distance
}

// gain is how many bits a match may save.
func (l *links) gain(p, length, distance int) int {
	bits := 0
	for _, b := range l.data[p : p+length] {
		bits += max(1, int(l.cost[b]))
	}
	// The encoder takes the symbol of the next distance, and of distance 129 behind the greatest.
	if distance++; distance > coding.Window {
		distance = 129
	}
	return bits - int(coding.DistanceExtra[coding.DistanceSymbol(distance)]) - 3 -
		int(coding.LengthExtra[coding.LengthSymbol(length)-257])
}
