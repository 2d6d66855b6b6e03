package transfer

import (
	"errors"
	"io"
	"time"

	"drayage/image"
)

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
