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

const (
	// partSize is what one stream of [ReadAhead] reads at a time, and holds in memory until its turn comes.
	// With all extra streams of a registry in use that is 32 MiB.
	partSize = 1 << 20
	// firstParts are on their way as soon as one stream proves slow. More follow where the reader has to wait.
	firstParts = 4
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
	s := &readAheadStream{src: a.ParallelSource, ctx: ctx, desc: d, off: offset, want: firstParts}
	s.parting, s.cancel = context.WithCancel(ctx)
	return s, nil
}

// readAheadStream is an open stream of a blob whose next parts are on their way.
type readAheadStream struct {
	src     image.ParallelSource
	ctx     context.Context // of Open: what goes on between two Reads has no other
	parting context.Context // ends when the parts are not wanted any more
	cancel  context.CancelFunc
	desc    v1.Descriptor
	wg      sync.WaitGroup

	off    int64         // of the next byte to give out
	live   *live         // the stream that is used until it proves slow; nil after that
	pace   pace          // of the live stream
	next   int64         // of the next part to begin; 0 until then
	parts  []*part       // begun and not yet given out, in order
	want   int           // how many of the parts there should be
	given  int           // bytes of the first part that have been given out
	single io.ReadCloser // of a source that turned out to have no ranges
}

// part is a range on its way into memory; done is closed when it is there or has failed.
type part struct {
	buf     []byte
	release func()
	done    chan struct{}
	err     error
}

var partBuffers = sync.Pool{New: func() any { return new([partSize]byte) }}

// fetch begins parts: one at least, and further ones while there are extra streams. An extra stream is
// released when its part has been given out, so the number of streams bounds memory too.
func (s *readAheadStream) fetch() {
	for s.next < s.desc.Size && len(s.parts) < s.want {
		release := func() {}
		if len(s.parts) > 0 {
			if release = s.src.ExtraStream(); release == nil {
				return
			}
		}
		p := &part{release: release, done: make(chan struct{})}
		p.buf = partBuffers.Get().(*[partSize]byte)[:min(partSize, s.desc.Size-s.next)]
		off, end := s.next, s.next+int64(len(p.buf))
		s.parts, s.next = append(s.parts, p), end
		write := func(b []byte, at int64) (int64, error) {
			copy(p.buf[at-off:], b)
			return end, nil
		}
		from := rangeReader{src: s.src, desc: s.desc, pace: new(pace), write: write}
		s.wg.Go(func() {
			defer close(p.done)
			_, p.err = from.read(s.parting, off, end)
		})
	}
}

func (s *readAheadStream) Read(b []byte) (int, error) {
	if s.single != nil {
		return s.single.Read(b)
	}
	if s.off == s.desc.Size {
		return 0, io.EOF
	}
	if n, err := s.readLive(b); n > 0 || err != nil {
		return n, err
	}
	s.fetch()
	p := s.parts[0]
	s.await(p)
	if errors.Is(p.err, image.ErrNoRanges) {
		return s.readSingle(b)
	}
	if p.err != nil {
		return 0, p.err
	}
	n := copy(b, p.buf[s.given:])
	s.off, s.given = s.off+int64(n), s.given+n
	if s.given == len(p.buf) {
		s.parts, s.given = s.parts[1:], 0
		p.drop()
		s.fetch()
	}
	return n, nil
}

// await waits for a part, which ends with its context. That it has to wait shows that more streams would be
// of use.
func (s *readAheadStream) await(p *part) {
	select {
	case <-p.done:
		return
	default:
	}
	if s.want <= maxStreams {
		s.want++
		s.fetch()
	}
	<-p.done
}

// readSingle goes on with one stream.
func (s *readAheadStream) readSingle(b []byte) (int, error) {
	s.abandon()
	rc, err := s.src.Open(s.ctx, s.desc, s.off, image.ToEnd)
	if err != nil {
		return 0, err
	}
	s.single = rc
	return rc.Read(b)
}

// drop gives back the buffer and the stream of a part that is done.
func (p *part) drop() {
	partBuffers.Put((*[partSize]byte)(p.buf[:partSize]))
	p.release()
}

// abandon ends what is on its way.
func (s *readAheadStream) abandon() {
	s.live.close()
	s.cancel()
	s.wg.Wait()
	for _, p := range s.parts {
		p.drop()
	}
	s.parts = nil
}

func (s *readAheadStream) Close() error {
	s.abandon()
	if s.single != nil {
		return s.single.Close()
	}
	return nil
}

// live is one range of a [readAheadStream] that is given out as it arrives, without a place in memory.
type live struct {
	rc   io.ReadCloser
	size int64 // of the range
	end  int64 // its end in the blob
}

func (l *live) close() {
	if l != nil && l.rc != nil {
		l.rc.Close()
		l.rc = nil
	}
}

// readLive reads by one stream as long as that is fast. Each range is twice as large as the one before it:
// when one turns out slow, little has to be waited for; when none does, few requests are made. It returns 0
// and no error when it is the turn of the parts.
func (s *readAheadStream) readLive(b []byte) (int, error) {
	for s.off < s.desc.Size && (s.next == 0 || s.live != nil) {
		if s.live == nil || s.live.rc == nil {
			if err := s.openLive(); errors.Is(err, image.ErrNoRanges) {
				return s.readSingle(b)
			} else if err != nil {
				return 0, err
			}
		}
		l := s.live
		began := time.Now()
		n, err := l.rc.Read(b[:min(int64(len(b)), l.end-s.off)])
		s.pace.read(n, time.Since(began))
		s.off += int64(n)
		if s.off == l.end {
			l.close()
			if s.next > 0 {
				s.live = nil
			}
		} else if err == io.EOF {
			return n, short(s.desc, s.off)
		} else if err != nil {
			return n, err
		} else {
			s.widen()
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, nil
}

// openLive begins the next range.
func (s *readAheadStream) openLive() error {
	size := int64(minPiece)
	if s.live != nil {
		size = min(2*s.live.size, maxRequest)
	}
	end := min(s.off+size, s.desc.Size)
	began := time.Now()
	rc, err := s.src.Open(s.ctx, s.desc, s.off, end-s.off)
	if err != nil {
		return err
	}
	s.pace.opened(time.Since(began))
	s.live = &live{rc: rc, size: size, end: end}
	return nil
}

// widen begins parts when the live stream has proved slow: behind its range, or in its place if it still
// had far to go.
func (s *readAheadStream) widen() {
	l := s.live
	if s.next > 0 || !s.pace.slow() {
		return
	}
	if l.end-s.off > minPiece {
		l.close()
		l.end, s.live = s.off, nil
	}
	s.next = l.end
	s.fetch()
}
