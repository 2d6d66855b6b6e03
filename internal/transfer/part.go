package transfer

import (
	"sync"
	"time"

	"drayage/internal/retry"
)

const (
	// A part of [ReadAhead] is held in memory until its turn comes, in buffers of partSize bytes. Each buffer
	// belongs to an extra stream of the registry. With all of these in use that is 32 MiB.
	partSize = 1 << 20
	// maxBuffers bounds a part. Several parts have to find room beside each other.
	maxBuffers = 8
	// firstBuffers bounds the first parts where requests bring much at once.
	firstBuffers = 4
	// firstParts are on their way as soon as one stream has proved slow. More follow where the reader has to
	// wait.
	firstParts = 4
)

// part is a range on its way into memory.
type part struct {
	off, end int64
	got      int64 // bytes that are there
	pace     pace
	alone    float64 // the pace of the live stream
	before   *live   // the stream that is on its way to the part; nil: the part is not asked for in vain
	buffers  []*[partSize]byte
	release  []func() // the extra stream of each buffer
	err      error
	took     time.Duration // from the request to the end
	done     bool          // no more comes
	ended    chan struct{}
}

// smooth is what the reader has been given of parts without a wait, since the size of parts changed.
type smooth struct {
	since time.Time
	bytes int64
}

var partBuffers = sync.Pool{New: func() any { return new([partSize]byte) }}

// buffersFor is how many buffers a part needs to hold what comes while the next request begins.
func (s *readAheadStream) buffersFor(pace float64) int64 {
	return max(1, (s.spread.underway(pace)+partSize-1)/partSize)
}

// tooFar reports whether so much comes while a request begins that there is no room for several parts.
func (s *readAheadStream) tooFar(pace float64) bool { return s.buffersFor(pace) > maxBuffers }

// newPart returns the part that begins at off, as large as there are extra streams for it, or nil. Where
// parts have grown and the reader has some ahead, it is nil until there are streams for a large one.
func (s *readAheadStream) newPart(off int64, pace float64) *part {
	p := &part{off: off, end: off, alone: pace, ended: make(chan struct{})}
	p.pace.link = &s.spread.link
	for n := min(max(s.buffersFor(pace), s.grown), maxBuffers); n > 0 && p.end < s.desc.Size; n-- {
		release := s.src.ExtraStream()
		if release == nil {
			break
		}
		p.end = min(p.end+partSize, s.desc.Size)
		p.buffers, p.release = append(p.buffers, nil), append(p.release, release)
	}
	if p.end == off {
		return nil
	}
	if int64(len(p.buffers)) < s.grown && p.end < s.desc.Size && len(s.parts) > 1 {
		p.drop()
		return nil
	}
	return p
}

// hadToWait is called when the reader has waited for a part. If it does so for long, the next ones are half
// as large, so that there are more of them.
func (s *readAheadStream) hadToWait(took time.Duration) {
	s.smooth = smooth{since: time.Now()}
	s.waited += took
	if s.stalls += took; s.stalls < window {
		return
	}
	s.stalls = 0
	if s.grown > 1 {
		s.grown, s.regret = s.grown/2, s.regret+2
	}
}

// grow is called when a part has been given out. The next ones are twice as large if the reader has waited
// for nothing of what was on its way at once, and if half as many streams still bring what it takes. Then
// fewer requests will do.
func (s *readAheadStream) grow(given *part) {
	if s.smooth.bytes > 0 {
		s.stalls = 0
	}
	s.smooth.bytes += given.end - given.off
	if len(s.parts) == 0 || s.smooth.bytes <= 2*(s.parts[len(s.parts)-1].end-s.off)<<s.regret {
		return
	}
	takes := float64(s.smooth.bytes) / max(time.Since(s.smooth.since).Seconds(), 1e-9)
	brings := float64(given.end-given.off) / max(given.took.Seconds(), 1e-9)
	if twice := 2 * s.grown; twice <= maxBuffers && brings*float64(maxStreams/twice) > enough*takes {
		s.grown, s.smooth = twice, smooth{since: time.Now()}
	}
}

// fetch begins parts while there are extra streams.
func (s *readAheadStream) fetch() {
	if s.spread.allowed > 0 && s.tooFar(s.spread.alone) {
		s.spread.useless()
	}
	for len(s.parts) > 0 && len(s.parts) < s.want && s.spread.allowed > 0 && s.parting.Err() == nil {
		p := s.newPart(s.parts[len(s.parts)-1].end, s.spread.alone)
		if p == nil {
			return
		}
		s.parts = append(s.parts, p)
		s.wg.Go(func() { s.bring(p) })
	}
}

// bring reads a part.
func (s *readAheadStream) bring(p *part) {
	defer close(p.ended)
	began := time.Now()
	from := rangeReader{src: s.src, desc: s.desc, pace: &p.pace, end: func() int64 { return p.end },
		write: func(b []byte, at int64) (int, error) { return s.store(p, b, at) }}
	off, err := p.off, error(nil)
	if p.before != nil {
		off, err = from.once(s.parting, off)
	}
	if err == nil || p.before == nil && retry.IsTransient(err) {
		_, err = from.read(s.parting, off)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.err, p.done, p.took = err, true, time.Since(began)
	if p.before != nil {
		s.asking = false
		s.spread.lost(err)
		p.drop()
	}
	s.came.Broadcast()
}

// store takes what has come of a part.
func (s *readAheadStream) store(p *part, b []byte, at int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.before != nil && !s.takeOver(p) {
		return 0, errOvertaken
	}
	for n := 0; n < len(b); {
		i := (at + int64(n) - p.off) / partSize
		if p.buffers[i] == nil {
			p.buffers[i] = partBuffers.Get().(*[partSize]byte)
		}
		n += copy(p.buffers[i][(at+int64(n)-p.off)%partSize:], b[n:])
	}
	p.got = at + int64(len(b)) - p.off
	s.moved += int64(len(b))
	s.came.Broadcast()
	return len(b), nil
}

// takeOver puts a part in the place of the live stream, now that its first bytes are there, if that stream is
// so slow that it has not come there.
func (s *readAheadStream) takeOver(p *part) bool {
	l := p.before
	if s.live != l || s.off > p.off {
		return false
	}
	if l.end = p.off; s.off == p.off {
		l.stop()
	}
	p.before, s.asking = nil, false
	s.parts, s.want = []*part{p}, firstParts
	alone, known := l.pace.rate()
	if !known {
		alone = p.alone
	}
	s.spread.burst = l.pace.came()
	s.grown, s.smooth = min(max(s.spread.atOnce(alone)/partSize, 1), firstBuffers), smooth{since: time.Now()}
	s.spread.inTime(alone, s.moved, s.waited)
	s.fetch()
	return true
}

// copyTo gives out bytes from off on, and the buffers that are done with.
func (p *part) copyTo(b []byte, off int64) int {
	i, at := (off-p.off)/partSize, (off-p.off)%partSize
	n := copy(b, p.buffers[i][at:min(partSize, p.got-i*partSize)])
	if at+int64(n) == partSize {
		p.free(int(i))
	}
	return n
}

func (p *part) free(i int) {
	if p.buffers[i] != nil {
		partBuffers.Put(p.buffers[i])
		p.buffers[i] = nil
	}
	if p.release[i] != nil {
		p.release[i]()
		p.release[i] = nil
	}
}

// drop gives back the buffers and the streams of a part that is done.
func (p *part) drop() {
	for i := range p.buffers {
		p.free(i)
	}
}
