package transfer

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"drayage/image"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// ReadAhead makes the streams of large blobs faster where src is an [image.ParallelSource]. If one stream
// proves slow, several streams bring the next parts of the blob into memory, and the reader gets them in
// order. Of any other source ReadAhead returns src. It is for readers that need a blob in order; [Fill]
// needs no memory.
func ReadAhead(src image.Source) image.Source {
	if p, ok := image.AsParallel(src); ok {
		return readAhead{p}
	}
	return src
}

type readAhead struct{ image.ParallelSource }

func (a readAhead) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if length != image.ToEnd || d.Size-offset < SplitSize {
		return a.ParallelSource.Open(ctx, d, offset, length)
	}
	s := &readAheadStream{src: a.ParallelSource, desc: d, off: offset}
	s.ctx, s.stop = context.WithCancel(ctx)
	s.parting, s.abandon = context.WithCancel(s.ctx)
	s.came.L = &s.mu
	s.wg.Go(s.watch)
	return s, nil
}

// readAheadStream is an open stream of a blob. It is one live stream of the source, or several parts whose
// turn comes one after another.
type readAheadStream struct {
	src     image.ParallelSource
	desc    v1.Descriptor
	ctx     context.Context // of Open: what goes on between two Reads has no other
	stop    context.CancelFunc
	parting context.Context // of the parts
	abandon context.CancelFunc
	wg      sync.WaitGroup

	mu     sync.Mutex
	came   sync.Cond // something of a part has come
	off    int64     // of the next byte to give out
	live   *live
	parts  []*part       // begun and not yet given out, in order
	asking bool          // a part has been asked for that the live stream is on its way to
	want   int           // how many of the parts there should be
	grown  int64         // how many buffers each of them should have at least
	smooth smooth        // since that changed
	stalls time.Duration // how long the reader has waited since a part came without a wait
	regret int           // how often there was a wait for parts that had grown
	moved  int64         // bytes that have come
	waited time.Duration // for parts
	spread spread
}

// live is a stream that is given out as it arrives, without a place in memory.
type live struct {
	rc   io.ReadCloser
	stop context.CancelFunc
	pace pace
	end  int64 // it ends there, because a part begins
}

func (s *readAheadStream) Read(b []byte) (int, error) {
	for len(b) > 0 {
		s.mu.Lock()
		if s.off == s.desc.Size {
			s.mu.Unlock()
			return 0, io.EOF
		}
		read := s.readLive
		if s.live == nil && len(s.parts) > 0 {
			read = s.readPart
		}
		n, err := read(b)
		s.mu.Unlock()
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

// readLive reads by one stream, which it opens if there is none. The lock is held, but not while it waits. It
// returns 0 and no error when it is the turn of the parts.
func (s *readAheadStream) readLive(b []byte) (n int, err error) {
	l, off := s.live, s.off
	if l == nil {
		l = &live{pace: pace{link: &s.spread.link}, end: s.desc.Size}
	}
	b = b[:min(int64(len(b)), l.end-off)]
	s.mu.Unlock()
	if l.rc == nil {
		err = l.open(s, off)
	}
	if err == nil {
		n, err = l.pace.Read(l.rc, b)
	}
	s.mu.Lock()
	n = int(min(int64(n), l.end-off))
	s.moved += int64(n)
	if s.off += int64(n); s.off == l.end {
		s.closeLive()
		return n, nil
	}
	if err == io.EOF {
		err = short(s.desc, s.off)
	}
	return n, err
}

func (l *live) open(s *readAheadStream, off int64) (err error) {
	ctx, stop := context.WithCancel(s.ctx)
	l.pace.ask()
	if l.rc, err = s.src.Open(ctx, s.desc, off, image.ToEnd); err != nil {
		stop()
		return err
	}
	l.stop = stop
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = l
	return nil
}

func (s *readAheadStream) closeLive() {
	if l := s.live; l != nil {
		s.live = nil
		l.stop()
		l.rc.Close()
	}
}

// watch looks at the streams from time to time.
func (s *readAheadStream) watch() {
	tick := time.NewTicker(judgeEvery)
	defer tick.Stop()
	for {
		since := time.Now()
		select {
		case <-tick.C:
			s.spread.link.woke(since)
			s.judge()
		case <-s.ctx.Done():
			return
		}
	}
}

// judge asks for a part that the live stream is on its way to if that proves slow.
func (s *readAheadStream) judge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.live
	s.spread.measure(len(s.parts), s.moved, s.waited)
	if l == nil || s.asking || len(s.parts) > 0 || !s.spread.ready() || s.ctx.Err() != nil {
		return
	}
	pace, known := l.pace.rate()
	at, left := s.off+s.spread.ahead(pace), l.end-s.off
	if !known || pace >= fast || !s.spread.worth(left, pace) || at >= l.end || s.tooFar(pace) {
		return
	}
	if p := s.newPart(at, pace); p != nil {
		p.before, s.asking = l, true
		s.wg.Go(func() { s.bring(p) })
	}
}

// readPart gives out what has come of the first part, and waits for it if need be. That it has to wait shows
// that more streams would be of use.
func (s *readAheadStream) readPart(b []byte) (int, error) {
	p := s.parts[0]
	for began := time.Now(); s.off == p.off+p.got; began = time.Now() {
		if p.done {
			return 0, s.lose(p.err)
		}
		if s.want < maxStreams {
			s.want++
			s.fetch()
		}
		s.came.Wait()
		s.hadToWait(time.Since(began))
	}
	n := p.copyTo(b, s.off)
	if s.off += int64(n); s.off == p.end {
		s.parts = s.parts[1:]
		p.drop()
		s.grow(p)
	}
	s.fetch()
	return n, nil
}

// lose gives up all parts, because one could not be had. A source that has no ranges is asked for the whole.
func (s *readAheadStream) lose(err error) error {
	s.drop()
	s.spread.never = true
	if errors.Is(err, image.ErrNoRanges) {
		return nil
	}
	return err
}

// drop ends the parts that are under way. The lock is held, but not while it waits.
func (s *readAheadStream) drop() {
	parts := s.parts
	s.abandon()
	s.mu.Unlock()
	for _, p := range parts {
		<-p.ended
	}
	s.mu.Lock()
	for _, p := range parts {
		p.drop()
	}
	s.parts = nil
}

func (s *readAheadStream) Close() error {
	s.stop()
	s.wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLive()
	for _, p := range s.parts {
		p.drop()
	}
	s.parts = nil
	return nil
}
