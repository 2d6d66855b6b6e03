package transfer

import (
	"io"
	"time"
)

const (
	// fast is the pace, in bytes a second, from which on one stream is left alone. More streams would bring no
	// more, and cost more. A stream is judged when it has been waited for judgeAfter.
	fast       = 32 << 20
	judgeAfter = 20 * time.Millisecond
	prompt     = 50 * time.Millisecond // what an answer and its first bytes may take without counting
	gatherFor  = 50 * time.Millisecond // how long a buffer is filled

	// A kill may lose what a stream has written since its last mark: markEvery bytes, or less if it took
	// markAfter. With many slow streams that counts. So each stream marks once a MiB, or twenty times a second.
	markEvery = 1 << 20
	markAfter = gatherFor
)

// pace is how fast a stream has been of late, over all its requests. The time that the disk takes says
// nothing about the source and does not count.
type pace struct {
	got    int64
	waited time.Duration
	free   time.Duration // what the first bytes of a request may still take
	asked  int64         // bytes of its last request
}

// opened is told how long the answer to a request took.
func (p *pace) opened(took time.Duration) {
	p.waited += max(0, took-prompt)
	p.free = max(0, prompt-took)
}

// read is told how long n bytes took. What was long ago weighs less: servers that limit each request often
// let its beginning through at once.
func (p *pace) read(n int, took time.Duration) {
	took, p.free = max(0, took-p.free), 0
	p.got += int64(n)
	if p.waited += took; p.waited > 4*judgeAfter {
		p.got, p.waited = p.got/2, p.waited/2
	}
}

func (p *pace) slow() bool {
	return p.waited >= judgeAfter && float64(p.got) < fast*p.waited.Seconds()
}

// gather reads until p is full, because every write costs as much again as a small read. It stops before
// the wait would show in the progress.
func gather(r io.Reader, p []byte) (n int, err error) {
	for began := time.Now(); n < len(p) && err == nil && (n == 0 || time.Since(began) < gatherFor); {
		var m int
		m, err = r.Read(p[n:])
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
