package zlib

import (
	"encoding/binary"
	"math/bits"

	"drayage/internal/deflate/coding"
)

// enterTo enters the positions up to end in the chains.
func (p *predictor) enterTo(end int) {
	from := p.entered
	if from >= end {
		return
	}
	p.entered = end
	end = min(end, p.end-coding.MinMatch+1)
	if from == 0 && p.origin == 0 {
		from = 1 // the encoders cannot say where the first byte is: their number of it means none
	}
	if from >= end {
		return
	}
	position := p.offset + uint32(from)
	if full := min(end, p.end-coding.MinMatch); from < full {
		p.enterAll(p.data[from:full+coding.MinMatch], position)
		position += uint32(full - from)
		from = full
	}
	if from < end {
		data := p.data[from:]
		p.enter(uint32(data[0])|uint32(data[1])<<8|uint32(data[2])<<16, position)
	}
}

// enterAll enters a position for each byte but the last three.
func (p *predictor) enterAll(data []byte, position uint32) {
	buckets, before, likely, chain := p.buckets, p.before, p.likely, p.chain
	shift, mask := p.shift&15, p.mask&(1<<maxBits-1)
	for ; len(data) > coding.MinMatch; data = data[1:] {
		word := binary.LittleEndian.Uint32(data)
		b := &buckets[(word&0xff<<(2*shift)^word>>8&0xff<<shift^word>>16&0xff)&mask]
		before[position&ringMask] = uint16(min(position-b.last, nowhere-1))
		b.last = position
		b.count++
		last := &likely[word*spread>>(32-likelyBits)]
		chain[position&ringMask] = min(position-*last, nowhere-1) | b.count<<16
		*last = position
		position++
	}
}

// enter enters one position at the end of the content, where there is no fourth byte.
func (p *predictor) enter(word, position uint32) {
	b := &p.buckets[p.hash(word)&(1<<maxBits-1)]
	p.before[position&ringMask] = uint16(min(position-b.last, nowhere-1))
	b.last = position
	b.count++
	p.chain[position&ringMask] = nowhere - 1 | b.count<<16
}

// hash is the encoders' hash of three bytes.
func (p *predictor) hash(word uint32) uint32 {
	return (word&0xff<<(2*p.shift) ^ word>>8&0xff<<p.shift ^ word>>16&0xff) & p.mask
}

// look enters position i in the chains, and finds a match there that is longer than best, if there is one.
func (p *predictor) look(i, best int) (length, back int) {
	if i > p.edge.watch {
		return p.lookAtEdge(i, best)
	}
	if i+coding.MinMatch > p.end {
		return 0, 0
	}
	p.enterTo(i + 1)
	length, back = p.search(i, best, p.end-i)
	if length == coding.MinMatch && back > tooFar && p.level.slow {
		return 0, 0
	}
	return length, back
}

// search finds a match at i that is longer than best, of at most left bytes. It takes the nearest one of the
// longest, among those that the level looks at.
//
// The encoders go through all positions with the same hash of three bytes, up to a number of them. Here only
// the nearest match is found so. A longer one has four bytes in common with i: it is in the chain of these,
// which is shorter by far. The positions are numbered in their bucket. The numbers tell how many positions an
// encoder would have looked at before.
func (p *predictor) search(i, best, left int) (length, back int) {
	longest := min(coding.MaxMatch, left)
	first := int(p.before[p.ring(i)])
	if first > maxDistance || best >= longest || i == 0 {
		return 0, 0
	}
	h := hunt{data: p.data[:i+longest], at: i, best: best, chain: p.level.chain, nice: min(p.level.nice, left)}
	if best >= p.level.good {
		h.chain >>= 2
	}
	if best < coding.MinMatch && !p.nearest(&h, first) {
		return 0, 0
	}
	if h.best < h.nice && !(p.level.slow && p.byEnd(&h)) {
		p.byBeginning(&h, maxDistance+1)
	}
	if h.back == 0 {
		return 0, 0
	}
	return h.best, h.back
}

// hunt is a search for a match.
type hunt struct {
	data        []byte // up to where the longest match ends
	at          int
	best, back  int // what is found
	chain, nice int // as those of the level
}

// nearest finds the nearest match, from the first position with the same hash on.
func (p *predictor) nearest(h *hunt, distance int) bool {
	for left := h.chain; left > 0; left-- {
		p.work++
		if n := matching(h.data[h.at-distance:], h.data[h.at:]); n >= coding.MinMatch {
			p.work += int64(n >> 3)
			h.best, h.back = n, distance
			return true
		}
		distance += int(p.before[p.ring(h.at-distance)])
		if distance >= maxDistance {
			break
		}
	}
	return false
}

// byBeginning finds longer matches among the positions that begin with the same four bytes, if these are
// nearer than within. It reports whether there are none beyond.
func (p *predictor) byBeginning(h *hunt, within int) bool {
	position, chain, start := p.offset+uint32(h.at), p.chain, word(h.data, h.at)
	tail := h.best - coding.MinMatch
	end := word(h.data, h.at+tail)
	own := chain[position&ringMask]
	for distance, link := int(own&0xffff), own; distance < within; distance += int(link & 0xffff) {
		link = chain[(position-uint32(distance))&ringMask]
		p.work++
		from := h.at - distance
		if rank := int(uint16(own>>16 - link>>16)); rank > h.chain || distance == maxDistance && rank > 1 {
			if word(h.data, from) == start {
				return true
			}
			continue // it is in another bucket
		}
		if word(h.data, from+tail) != end {
			continue
		}
		n := matching(h.data[from:], h.data[h.at:])
		p.work += int64(n >> 3)
		if n > h.best {
			if h.best, h.back = n, distance; n >= h.nice {
				return true
			}
			tail = n - coding.MinMatch
			end = word(h.data, h.at+tail)
		}
	}
	return false
}

// byEnd finds longer matches by the four bytes that such a match ends with. These are rarer than those it
// begins with. It reports whether it looked at all positions: it gives up when such bytes turn out to be
// frequent. All positions must be in the chains.
func (p *predictor) byEnd(h *hunt) bool {
	position, chain, start := p.offset+uint32(h.at), p.chain, word(h.data, h.at)
	own := chain[position&ringMask] >> 16
	farthest := min(maxDistance, h.at)
	if p.origin == 0 {
		farthest = min(farthest, h.at-1)
	}
	for budget := 8 + h.chain/4; ; {
		tail := h.best - coding.MinMatch
		if h.back < tail { // the end of nearer ones is not in the chains yet
			if p.byBeginning(h, tail) {
				return true
			}
			if h.best != tail+coding.MinMatch {
				continue
			}
		}
		last, end := position+uint32(tail), word(h.data, h.at+tail)
		distance := int(last - p.likely[end*spread>>(32-likelyBits)])
		n, back, data := 0, h.back, h.data
		for ; distance <= farthest; distance += int(chain[(last-uint32(distance))&ringMask] & 0xffff) {
			from := h.at - distance
			p.work++
			if distance > back && word(data, from) == start && word(data, from+tail) == end {
				n = matching(data[from:], data[h.at:])
				if p.work += int64(n >> 3); n > h.best {
					break
				}
			}
			if budget--; budget < 0 {
				return false
			}
		}
		if distance > farthest {
			return true
		}
		rank := int(uint16(own - chain[(position-uint32(distance))&ringMask]>>16))
		if rank > h.chain || distance == maxDistance && rank > 1 {
			return true
		}
		if h.best, h.back = n, distance; n >= h.nice {
			return true
		}
	}
}

// ring is the place of index i in the tables by position.
func (p *predictor) ring(i int) uint32 { return (p.offset + uint32(i)) & ringMask }

func word(data []byte, i int) uint32 { return binary.LittleEndian.Uint32(data[i:]) }

// matching counts the bytes that a and b, the shorter one, have in common.
func matching(a, b []byte) int {
	n := 0
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b)
		if x != 0 {
			return n + bits.TrailingZeros64(x)>>3
		}
		a, b, n = a[8:], b[8:], n+8
	}
	for i := range b {
		if a[i] != b[i] {
			return n + i
		}
	}
	return n + len(b)
}
