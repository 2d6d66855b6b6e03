package klauspost

import "drayage/internal/deflate/coding"

// search looks for the best match at a place.
func (l *lazy) search() {
	at := l.at
	room := min(l.high-at, coding.MaxMatch)
	data, nice := l.data[:at+room], min(l.nice, room)
	number := l.base + uint32(at)
	first := l.base + uint32(max(at-coding.Window, l.low))
	own, number := number, l.back[number&mask]
	best, gain := undecided, l.gain
	tail, toTail := half(data, at), -int(l.base)
	// Behind a correction, places ahead are in the chains. Their numbers lead to nothing.
	for tries := l.chain; tries > 0 && number >= first && number < own; tries-- {
		l.work++
		if half(data, int(number)+toTail) == tail {
			i := int(number - l.base)
			n := same(data, at, i, len(data))
			l.work += int64(n >> 3)
			if n > best && l.worth(n, at-i, &gain) {
				best, l.length, l.distance = n, n, at-i
				if n >= nice {
					return
				}
				tail, toTail = half(data, at+best-3), best-3-int(l.base)
			}
		}
		if number == first {
			return
		}
		number = l.back[number&mask]
	}
}

// worth reports whether a match may be used.
func (l *lazy) worth(length, distance int, gain *int) bool {
	if !l.weighs || l.chain < 100 {
		return length > least || distance <= l.far
	}
	w := l.weight.sums[l.at-l.weight.from:]
	saved := int(w[length]-w[0]) - l.price
	saved -= int(coding.LengthExtra[coding.LengthSymbol(length)-coding.EndBlock-1])
	// The encoder counts the distance from zero here, and the largest one as if it were small.
	if distance == coding.Window {
		saved -= 6
	} else {
		saved -= int(coding.DistanceExtra[coding.DistanceSymbol(distance+1)])
	}
	if saved <= *gain {
		return false
	}
	*gain = saved
	return true
}

// weights are how many bits the bytes of the encoder's buffer take as literals.
type weights struct {
	from   int     // the first byte in data
	sums   []int32 // the bits of all before each byte
	counts [256]uint32
	code   [256]uint8
}

// count finds the weights when the encoder has moved its buffer.
func (l *lazy) count(from int) {
	if !l.weighs || l.chain < 100 {
		return
	}
	w := &l.weight
	w.counts = [256]uint32{}
	for _, b := range l.data[from:min(l.high, from+l.counted)] {
		w.counts[b]++
	}
	for i, n := range w.counts {
		w.counts[i] = n & 0xffff // as the encoder has no more bits for it
	}
	l.coder.lengths(w.counts[:], 15, w.code[:])
	w.from, w.sums = from, append(w.sums[:0], 0)
	sum := int32(0)
	for _, b := range l.data[from:l.high] {
		sum += int32(w.code[b])
		w.sums = append(w.sums, sum)
	}
}

// place is where the last place is in data that has the hash of one.
func (l *lazy) place(at int) int { return int(l.head[l.hash(l.data, at)]) - int(l.base) }

// peekInside looks for a longer match by what stands at the end of a match: two of its bytes, and two more.
func peekInside(l *lazy, length, distance int) (int, int) {
	before, lowest := l.at-1, max(l.at-coding.Window, l.low)
	end := before + length - 2
	if end+least >= l.high-unhashed {
		return length, distance
	}
	i := l.place(end) - length + 2
	if i <= lowest || i >= before {
		return length, distance
	}
	n := same(l.data, before, i, before+min(l.high-l.at, coding.MaxMatch))
	if n > length {
		return n, before - i
	}
	return length, distance
}

// skipped is how many bytes of a match may differ in one that is better.
const skipped = 2

// peekBehind looks for a longer match by what follows a match. Its first bytes may differ. These are literals
// then.
func peekBehind(l *lazy, length, distance int) (int, int) {
	before, lowest := l.at-1, max(l.at-coding.Window, l.low)
	if length >= coding.MaxMatch-skipped || before+length >= l.high-unhashed {
		return length, distance
	}
	i := l.place(before+length) - length
	if before-i == distance || i <= lowest+skipped || i >= before {
		return length, distance
	}
	end := before + min(l.high-l.at, coding.MaxMatch+skipped)
	n := same(l.data, before+skipped, i+skipped, end)
	if n <= length {
		return length, distance
	}
	differ := skipped
	for differ > 0 && n < coding.MaxMatch && l.data[before+differ-1] == l.data[i+differ-1] {
		differ--
		n++
	}
	for range differ {
		l.literal()
		l.at++
		l.enter(l.at + 1)
	}
	return n, before - i
}
