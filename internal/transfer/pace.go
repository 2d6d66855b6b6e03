package transfer

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// fast is the pace, in bytes a second, from which on one stream is left alone. More streams would bring no
	// more, and cost more.
	fast = 32 << 20
	// A pace is measured over the last one or two windows of waiting for bytes. One window is longer than a busy
	// machine keeps a process waiting.
	window      = 40 * time.Millisecond
	maxPatience = 250 * time.Millisecond
	// longestPause is what servers pause that limit a stream: nginx sends each second's bytes at once.
	longestPause = 1250 * time.Millisecond

	gatherFor = 50 * time.Millisecond // how long a buffer is filled

	// A kill may lose what a stream has written since its last mark: markEvery bytes, or less if it took
	// markAfter. With many slow streams that counts. So each stream marks once a MiB, or twenty times a second.
	markEvery = 1 << 20
	markAfter = gatherFor
)

// link is what the streams of a blob have in common.
type link struct {
	latency atomic.Int64 // nanoseconds that the last request took until its first byte
	absent  atomic.Int64 // nanoseconds in which the process had no processor, as far as was noticed
}

// woke is called after a wait that was to end after judgeEvery at the latest.
func (l *link) woke(since time.Time) {
	if late := time.Since(since) - judgeEvery; late > 0 {
		l.absent.Add(int64(late))
	}
}

// pace is how fast a stream has been of late, over all its requests. Only the time in which the stream waits
// for bytes counts. What a request takes until its first byte is latency and says nothing about the stream.
// The time that the disk takes, or for which the process has no processor, says nothing about the source. It
// may be used concurrently.
type pace struct {
	link *link

	mu        sync.Mutex
	noticed   int64     // what has been taken off of the time that the process was absent, in nanoseconds
	asked     time.Time // when the request went out that has no byte yet; zero: there is none
	waiting   time.Time // when the read began that is going on; zero: there is none
	now, last tally
	request   tally // of the request that is under way or was the last
}

// tally is what came in a window.
type tally struct {
	got    int64
	waited time.Duration
}

// ask is called before a request is sent.
func (p *pace) ask() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked, p.request, p.noticed = time.Now(), tally{}, p.link.absent.Load()
}

// settle takes off the time for which the process had no processor.
func (p *pace) settle() {
	absent := p.link.absent.Load()
	lost := time.Duration(absent - p.noticed)
	p.noticed = absent
	if !p.waiting.IsZero() {
		now := min(lost, time.Since(p.waiting))
		p.waiting = p.waiting.Add(now)
		lost -= now
	}
	p.now.waited = max(p.now.waited-lost, 0)
	p.request.waited = max(p.request.waited-lost, 0)
}

// Read reads from r. The first bytes of a request tell its latency.
func (p *pace) Read(r io.Reader, b []byte) (int, error) {
	p.mu.Lock()
	first := !p.asked.IsZero()
	if !first {
		p.waiting = time.Now()
	}
	p.mu.Unlock()
	n, err := r.Read(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.request.got += int64(n)
	p.settle()
	switch {
	case !first:
		took := p.silence()
		p.now.got += int64(n)
		p.now.waited += took
		p.request.waited += took
		p.waiting = time.Time{}
		if p.now.waited >= window {
			p.last, p.now = p.now, tally{}
		}
	case n > 0:
		p.link.latency.Store(int64(time.Since(p.asked)))
		p.asked = time.Time{}
	}
	return n, err
}

// rate is the pace in bytes a second. It is not known before a window is full, or while a request has no
// byte. A stream that is silent for a while has the pace 0. For one from far away that while is longer: it
// sends at intervals until the connection is in full swing.
func (p *pace) rate() (bytes float64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	sum, silent := p.now, p.silence()
	patience := min(max(window, time.Duration(p.link.latency.Load())), maxPatience)
	if silent >= patience {
		return 0, true
	}
	if sum.waited += silent; sum.waited < window {
		sum.got, sum.waited = sum.got+p.last.got, sum.waited+p.last.waited
	}
	if !p.asked.IsZero() || sum.waited < window {
		return 0, false
	}
	return float64(sum.got) / sum.waited.Seconds(), true
}

// silence is how long the read takes that is going on.
func (p *pace) silence() time.Duration {
	if p.waiting.IsZero() {
		return 0
	}
	return time.Since(p.waiting)
}

// stuck reports whether a stream has been silent for so long that it does not only pause.
func (p *pace) stuck() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	return p.silence() >= longestPause
}

// came is how many bytes the request has brought.
func (p *pace) came() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.request.got
}

// ofRequest is the pace of the whole request, in bytes a second, with its pauses. It is 0 if the request is
// too short to tell.
func (p *pace) ofRequest() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	if waited := p.request.waited + p.silence(); waited >= time.Second {
		return float64(p.request.got) / waited.Seconds()
	}
	return 0
}

// gather reads until b is full, because every write costs as much again as a small read. It stops before
// the wait would show in the progress.
func (p *pace) gather(r io.Reader, b []byte) (n int, err error) {
	for began := time.Now(); n < len(b) && err == nil && (n == 0 || time.Since(began) < gatherFor); {
		var m int
		m, err = p.Read(r, b[n:])
		n += m
	}
	return n, err
}

// marker marks what one stream writes.
type marker struct {
	file File
	from int64 // up to where it is marked
	last time.Time
}

func newMarker(f File, from int64) *marker { return &marker{file: f, from: from, last: time.Now()} }

// wrote is told that everything up to off is written, and marks it if it is time for that.
func (m *marker) wrote(off int64) error {
	if off-m.from < markEvery && time.Since(m.last) < markAfter {
		return nil
	}
	return m.flush(off)
}

func (m *marker) flush(off int64) error {
	if off <= m.from {
		return nil
	}
	from := m.from
	m.from, m.last = off, time.Now()
	return m.file.Mark(from, off)
}
