package zlib

import (
	"math"

	"drayage/internal/deflate/coding"
)

// edge is how GNU gzip handles the end of its input. It compares with what its window has behind the end, and
// looks for no matches in the last bytes of the window.
type edge struct {
	watch int // behind this position the end is near
	near  bool
	last  int // behind this position there are no matches
}

var noEdge = edge{watch: math.MaxInt}

// base says where in the content the window begins when the encoder stands at a position. From the threshold
// on it has moved.
func base(position, threshold int64) int64 {
	if position < threshold {
		return 0
	}
	return ((position-threshold)/windowSize + 1) * windowSize
}

// The window moves once fewer bytes than minLookahead are left in it. At the end of the input it moves a byte
// earlier.
const (
	moves    = windowSize + maxDistance + 1
	movesEnd = windowSize + maxDistance
)

// lookAtEdge is look near the end of the input of GNU gzip.
func (p *predictor) lookAtEdge(i, best int) (length, back int) {
	if !p.edge.near {
		p.findEdge(i)
	}
	left := p.end - i
	p.end = len(p.data)
	p.enterTo(i + 1)
	p.end = i + left
	if i > p.edge.last {
		return 0, 0
	}
	length, back = p.search(i, best, coding.MaxMatch)
	length = min(length, left)
	if length <= best || length == coding.MinMatch && back > tooFar && p.level.slow {
		return 0, 0
	}
	return length, back
}

// findEdge finds out about the end of the input when gzip stands at i, where it reads the end. Behind the end
// the window has two zeros, then what was there before the window moved.
func (p *predictor) findEdge(i int) {
	start := base(p.position(i), movesEnd)
	p.edge.near, p.edge.last = true, int(start+movesEnd-p.position(0))
	data := append(make([]byte, 0, p.end+2*coding.MaxMatch), p.data[:p.end]...)
	data = append(data, 0, 0)
	for len(data) < cap(data) {
		data = append(data, p.stale(len(data), start))
	}
	p.data = data
}

// stale is the byte that the window has for index i behind the end of the content.
func (p *predictor) stale(i int, start int64) byte {
	if i >= 0 && i < p.end {
		return p.data[i]
	}
	if start == 0 {
		return 0
	}
	if p.position(i)-start < windowSize {
		return p.stale(i, start-windowSize)
	}
	return p.stale(i-windowSize, start-windowSize)
}

// position is that of an index in the part.
func (p *predictor) position(i int) int64 { return p.origin + int64(i) }
