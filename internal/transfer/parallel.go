package transfer

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"drayage/image"
	"drayage/internal/marks"
	"drayage/internal/verify"
)

const (
	// SplitSize is the size in bytes from which on a blob is read in pieces. Below it a second request costs
	// more than it brings, and [Fill] writes in order.
	SplitSize = 8 << 20
	// A piece is small enough that the streams end together, and large enough that requests do not count.
	minPiece, maxPiece = 4 << 20, 32 << 20
	// maxStreams is how many streams one blob gets at most; piecesEach is how many pieces each is meant to read.
	maxStreams, piecesEach = 32, 2
)

// parallel fills a file by one stream and, where that stream is slow, by several. They begin pieces in
// order, so that the whole part at the start grows. Bytes that arrive in order are hashed at once. All
// others are read back when what is before them is whole.
type parallel struct {
	*filling
	src   image.ParallelSource
	all   []piece      // all that was not hashed at the start, in order
	todo  []piece      // the pieces that are not there
	moved atomic.Int64 // bytes that are there

	ctx    context.Context // of all streams: those that begin later have no other
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	next    int // the first of todo that no stream has begun
	running int

	hashing sync.Mutex
	check   *verify.Check // has had everything before its offset
	lost    bool          // the disk does not give back what it was given
}

// inParallel fills the file by several streams. On error it returns how many bytes from the start are
// whole; of what has been written beyond them only what is marked is worth keeping.
func (t *filling) inParallel(
	ctx context.Context, src image.ParallelSource, held []marks.Span,
) (int64, error) {
	l := &parallel{filling: t, src: src, check: verify.NewCheck(t.desc)}
	prefix, beyond := marks.Cut(held)
	if prefix > 0 {
		if err := l.hashSpan(ctx, marks.Span{End: prefix}); err != nil {
			return t.unhashed(ctx, prefix), err
		}
		prefix = l.check.Offset()
	}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	defer l.cancel(nil)
	l.all, l.todo = split(marks.Span{Off: prefix, End: t.desc.Size}, beyond, t.file.Block())
	l.moved.Store(prefix + marks.Sum(beyond))
	t.report(l.moved.Load())
	l.start(func() {})
	err := l.follow()
	if err != nil {
		l.cancel(err)
	}
	l.wg.Wait()
	if cause := context.Cause(l.ctx); cause != nil {
		err = cause
	}
	if err == nil {
		err = l.check.Done()
	} else if l.lost {
		_ = t.file.Forget() // or else the next try meets it again
	}
	return l.check.Offset(), err
}

// start begins a stream. Release is called when an extra stream has ended.
func (l *parallel) start(release func()) {
	l.mu.Lock()
	l.running++
	l.mu.Unlock()
	l.wg.Go(func() {
		defer release()
		var p pace
		for r := l.take(&p); len(r) > 0; r = l.take(&p) {
			if err := l.read(r, &p); err != nil {
				l.cancel(err)
				return
			}
		}
	})
}

// widen begins extra streams if there are any: they become free when other blobs are done.
func (l *parallel) widen() {
	for {
		l.mu.Lock()
		wanted := l.ctx.Err() == nil && l.next < len(l.todo) && l.running <= maxStreams
		l.mu.Unlock()
		if !wanted {
			return
		}
		release := l.src.ExtraStream()
		if release == nil {
			return
		}
		l.start(release)
	}
}

// read brings the pieces of a request to their places. While it does, the request may become shorter.
func (l *parallel) read(r request, p *pace) error {
	mark := newMarker(l.file, r.off())
	from := rangeReader{src: l.src, desc: l.desc, pace: p, write: func(b []byte, off int64) (int64, error) {
		if err := l.write(b, off); err != nil {
			return 0, err
		}
		off += int64(len(b))
		if err := mark.wrote(off); err != nil {
			return 0, err
		}
		r.arrived(off)
		if p.slow() {
			l.giveBack(&r)
			l.widen()
		}
		return r.end(), nil
	}}
	off, err := from.read(l.ctx, r.off(), r.end())
	if merr := mark.flush(off); err == nil {
		err = merr
	}
	return err
}

// write stores what has arrived, and hashes it if all before it has been hashed.
func (l *parallel) write(p []byte, off int64) error {
	if _, err := l.file.WriteAt(p, off); err != nil {
		return err
	}
	l.report(l.moved.Add(int64(len(p))))
	if !l.hashing.TryLock() {
		return nil // what is before it is being hashed
	}
	defer l.hashing.Unlock()
	if l.check.Offset() != off {
		return nil
	}
	_, err := l.check.Write(p)
	return err
}

// follow hashes the pieces in their order as they become whole, as far as they were not hashed when they
// arrived.
func (l *parallel) follow() error {
	for _, s := range l.all {
		select {
		case <-s.done:
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		}
		if err := l.hash(s); err != nil {
			return err
		}
	}
	return nil
}

// hash reads back what of a piece has not been hashed.
func (l *parallel) hash(s piece) error {
	l.hashing.Lock()
	defer l.hashing.Unlock()
	from := l.check.Offset()
	if from >= s.End {
		return nil
	}
	err := l.hashSpan(l.ctx, marks.Span{Off: from, End: s.End})
	l.lost = err != nil && l.ctx.Err() == nil
	return err
}

// hashSpan reads back and hashes a span of the file.
func (l *parallel) hashSpan(ctx context.Context, s marks.Span) error {
	_, err := Copy(l.check, WithContext(ctx, io.NewSectionReader(l.file, s.Off, s.End-s.Off)))
	return err
}
