package transfer

import (
	"cmp"
	"context"
	"errors"

	"drayage/internal/retry"
)

// errOvertaken ends an extra stream that came too late to be of use.
var errOvertaken = errors.New("another stream was faster")

// reading is a stream that brings one stretch to its place.
type reading struct {
	*parallel
	by       *stream
	stretch  *stretch
	takeover *takeover // to be claimed when the first bytes are there, where stretch is nil
	mark     *marker
}

// read brings a stretch to its place. Meanwhile other streams may take a part of it over.
func (l *parallel) read(r *reading) (err error) {
	ctx, stop := context.WithCancel(l.ctx)
	defer stop()
	l.mu.Lock()
	r.by.stop = stop
	l.mu.Unlock()
	from := rangeReader{src: l.src, desc: l.desc, pace: &r.by.pace, end: r.end, write: r.write}
	var off int64
	if r.takeover == nil {
		off = r.begin(r.stretch)
	} else if off, err = from.once(ctx, r.takeover.Off); r.stretch == nil {
		return err
	}
	if err == nil || retry.IsTransient(err) {
		off, err = from.read(ctx, off)
	}
	if r.whole() {
		err = nil // it has been told to stop
	}
	return cmp.Or(err, r.mark.flush(off))
}

// whole reports whether everything is there that the stream is to bring. It may not have come so far itself:
// what it asked for begins before its stretch where another stream has brought that.
func (r *reading) whole() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stretch.whole()
}

// begin is where to begin.
func (r *reading) begin(s *stretch) int64 {
	r.stretch, r.mark = s, newMarker(r.file, s.Off)
	return s.Off
}

// end is where the bytes end that are wanted now.
func (r *reading) end() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stretch == nil {
		return r.takeover.End
	}
	return r.stretch.End
}

// write brings bytes to their place and hashes them if everything before them has been hashed.
func (r *reading) write(p []byte, off int64) (int, error) {
	if r.stretch == nil {
		s := r.claim(r.takeover, r.by)
		if s == nil {
			return 0, errOvertaken
		}
		r.begin(s)
	}
	s := r.stretch
	had := max(min(int64(len(p)), s.Off-off), 0) // another stream has brought that
	if p, off = p[had:], off+had; len(p) == 0 {
		return int(had), nil
	}
	r.mu.Lock()
	p = p[:max(min(int64(len(p)), s.End-off), 0)]
	s.upTo = off + int64(len(p))
	r.mu.Unlock()
	if _, err := r.file.WriteAt(p, off); err != nil {
		return 0, err
	}
	r.report(r.moved.Add(int64(len(p))))
	r.mu.Lock()
	s.at = s.upTo
	whole := s.whole()
	r.mu.Unlock()
	if err := r.mark.wrote(s.at); err != nil {
		return int(had) + len(p), err
	}
	if whole {
		defer r.woke()
	}
	return int(had) + len(p), r.hash(p, off)
}

// woke tells follow that there is something to do.
func (l *parallel) woke() {
	select {
	case l.whole <- struct{}{}:
	default:
	}
}
