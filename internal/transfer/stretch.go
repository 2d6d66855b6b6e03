package transfer

import (
	"context"
	"slices"
	"time"

	"drayage/internal/marks"
)

// A piece that one of several streams reads is large enough that requests do not count, and small enough that
// the streams end together. Slow streams get pieces from leastPiece on, all others from minPiece on. Some
// servers, such as nginx with limit_rate, let the first second's worth of each response through at once.
// Pieces of at most maxPiece do not meet the limit where it is 16 MiB/s or more.
const leastPiece, minPiece, maxPiece = 1 << 20, 4 << 20, 16 << 20

// stretch is a run of bytes that was missing when the filling began. At most one stream reads it.
type stretch struct {
	marks.Span         // End comes nearer when another stream takes a part over
	at, upTo   int64   // what is before at is there, what is before upTo is being written
	by         *stream // nil: nobody yet
}

func newStretch(off, end int64) *stretch {
	return &stretch{Span: marks.Span{Off: off, End: end}, at: off, upTo: off}
}

func (s *stretch) whole() bool { return s.at >= s.End }

// stream reads one stretch after another.
type stream struct {
	pace pace
	stop context.CancelFunc // ends the request that is under way
}

// missing is what is not held of a blob of that size, in order.
func missing(size int64, held []marks.Span) (all []*stretch) {
	from := int64(0)
	for _, h := range append(slices.Clone(held), marks.Span{Off: size, End: size}) {
		if from < h.Off {
			all = append(all, newStretch(from, h.Off))
		}
		from = max(from, h.End)
	}
	return all
}

// frontier is up to where everything is there.
func (l *parallel) frontier() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.stretches) > 0 && l.stretches[0].whole() {
		l.stretches = l.stretches[1:]
	}
	if len(l.stretches) == 0 {
		return l.desc.Size
	}
	return l.stretches[0].at
}

// take gives a stream the next stretch that nobody reads. A stream that is alone gets all of it, the others a
// piece. Take returns nil if there is none, or if the stream is not wanted any more: then it has ended.
func (l *parallel) take(st *stream) *stretch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.takeNext(st)
}

func (l *parallel) takeNext(st *stream) *stretch {
	i := l.idle()
	if i < 0 || l.ctx.Err() != nil || len(l.streams) > 1 && l.spread.allowed == 0 {
		delete(l.streams, st)
		return nil
	}
	s := l.stretches[i]
	if size := l.piece(st); len(l.streams) > 1 && s.End-s.Off > size+size/2 {
		l.cut(i, l.toBlock(s.Off+size))
	}
	s.by = st
	return s
}

// idle is the number of the first stretch that nobody reads, or -1.
func (l *parallel) idle() int {
	return slices.IndexFunc(l.stretches, func(s *stretch) bool { return s.by == nil && !s.whole() })
}

// cut ends a stretch at end. What is behind it becomes a stretch of its own.
func (l *parallel) cut(i int, end int64) {
	s := l.stretches[i]
	if end < s.End {
		l.stretches = slices.Insert(l.stretches, i+1, newStretch(end, s.End))
		s.End = end
	}
}

// toBlock is where a block ends, near off.
func (l *parallel) toBlock(off int64) int64 {
	block := l.file.Block()
	return (off + block - 1) / block * block
}

// piece is how much a stream is to ask for: more while much is left. Where requests take long to begin, it is
// more than comes in that time: the streams are to read most of the time, and not to wait.
func (l *parallel) piece(st *stream) int64 {
	free := int64(0)
	for _, s := range l.stretches {
		if s.by == nil {
			free += s.End - s.Off
		}
	}
	rate := st.pace.ofRequest()
	if rate == 0 {
		rate = l.spread.alone
	}
	return max(min(free/(2*maxStreams), maxPiece), l.spread.piece(rate), l.spread.atOnce(l.spread.alone))
}

// takeover is what an extra stream asks for while another one is on its way there.
type takeover struct {
	marks.Span
	of   *stretch
	pace float64 // of the stream that reads it, in bytes a second
}

// together is the pace of all streams, in bytes a second.
func (l *parallel) together() (all float64) {
	for st := range l.streams {
		pace, _ := st.pace.rate()
		all += pace
	}
	return all
}

// slowest finds the stretch that will take longest of those that an extra stream could help with, and the
// part of it to ask for. It returns nil if there is none.
func (l *parallel) slowest() (p *takeover) {
	longest, typical := 0.0, l.together()/max(float64(len(l.streams)), 1)
	for _, s := range l.stretches {
		if s.by == nil || s.whole() {
			continue
		}
		pace, known := s.by.pace.rate()
		left := s.End - s.upTo
		took := float64(left) / max(pace, 1)
		if known && pace < fast && took > longest && l.spread.helps(s.by, left, pace, typical) {
			p, longest = &takeover{of: s, pace: pace}, took
		}
	}
	if p == nil {
		return nil
	}
	return l.placed(p)
}

// placed says which part of its stretch a takeover is to be. It returns nil if none is left.
func (l *parallel) placed(p *takeover) *takeover {
	if l.spread.allowed == 0 {
		l.spread.burst = p.of.by.pace.came()
	}
	piece := l.spread.piece(p.pace)
	p.Off = p.of.upTo
	if ahead := l.spread.ahead(p.pace); ahead >= l.file.Block() { // a slower one leaves everything to others
		p.Off = l.toBlock(p.Off + max(ahead, min(piece, (p.of.End-p.Off)/2)))
	}
	p.End = min(l.toBlock(p.Off+piece), p.of.End)
	if p.Off >= p.End {
		return nil
	}
	return p
}

// claim gives a stream the part that it has asked for, now that the first bytes of that are there. Of a part
// that another stream has just begun it gives the rest. It returns nil if that stream has come further: then
// nothing is gained.
func (l *parallel) claim(p *takeover, st *stream) *stretch {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.stretches, p.of)
	if i < 0 || p.of.upTo > p.Off+(p.End-p.Off)/4 {
		return nil
	}
	l.asking = false
	l.spread.inTime(l.together(), l.moved.Load(), time.Since(l.began))
	l.cut(i, max(p.Off, p.of.upTo))
	l.cut(i+1, p.End)
	l.stretches[i+1].by = st
	if p.of.whole() {
		p.of.by.stop()
	}
	return l.stretches[i+1]
}
