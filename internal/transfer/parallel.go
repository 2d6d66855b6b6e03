package transfer

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"drayage/image"
	"drayage/internal/marks"
	"drayage/internal/verify"
)

// hashStep is how much is read back and hashed between two looks at the streams.
const hashStep = 4 << 20

// parallel fills a file by one stream and, where that stream is slow, by several. They begin pieces in
// order, so that the whole part at the start grows. Bytes that arrive in order are hashed at once. All
// others are read back when what is before them is whole.
type parallel struct {
	*filling
	src   image.ParallelSource
	began time.Time
	moved atomic.Int64  // bytes that are there
	whole chan struct{} // gets one when a stretch has become whole

	ctx    context.Context // of all streams: those that begin later have no other
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu        sync.Mutex
	stretches []*stretch // what was missing, in order, apart from what is whole at the start
	streams   map[*stream]bool
	asking    bool // an extra stream waits for its first byte
	spread    spread

	hashing sync.Mutex
	check   *verify.Check // has had everything before its offset
	lost    bool          // the disk does not give back what it was given
}

// inParallel fills the file by several streams. On error it returns how many bytes from the start are
// whole; of what has been written beyond them only what is marked is worth keeping.
func (t *filling) inParallel(
	ctx context.Context, src image.ParallelSource, held []marks.Span,
) (int64, error) {
	l := &parallel{filling: t, src: src, check: verify.NewCheck(t.desc), began: time.Now(),
		whole: make(chan struct{}, 1), streams: map[*stream]bool{}}
	prefix, beyond := marks.Cut(held)
	if prefix > 0 {
		if err := l.hashSpan(ctx, marks.Span{End: prefix}); err != nil {
			return t.unhashed(ctx, prefix), err
		}
		held = append(marks.Prefix(l.check.Offset()), beyond...)
	}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	defer l.cancel(nil)
	l.stretches = missing(t.desc.Size, held)
	l.moved.Store(marks.Sum(held))
	t.report(l.moved.Load())
	l.start(l.newStream(), func() {}, func() error { return nil })
	err := l.follow()
	l.cancel(err)
	l.wg.Wait()
	if err != nil {
		err = context.Cause(l.ctx) // that of the stream that failed first
	} else {
		err = l.check.Done()
	}
	if l.lost {
		_ = t.file.Forget() // or else the next try meets it again
	}
	return l.check.Offset(), err
}

// newStream is called with the lock held, or before there are other streams.
func (l *parallel) newStream() *stream {
	st := &stream{pace: pace{link: &l.spread.link}, stop: func() {}}
	l.streams[st] = true
	return st
}

// start begins a stream that does first and then reads what nobody else reads. Release is called when the
// stream has ended.
func (l *parallel) start(st *stream, release func(), first func() error) {
	l.wg.Go(func() {
		defer release()
		err := first()
		for err == nil {
			s := l.take(st)
			if s == nil {
				return
			}
			err = l.read(&reading{parallel: l, by: st, stretch: s})
		}
		l.cancel(err)
	})
}

// judge begins extra streams where those that are there prove slow.
func (l *parallel) judge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	extra := len(l.streams) - 1
	if l.spread.measure(extra, l.moved.Load(), time.Since(l.began)) || l.ctx.Err() != nil {
		return
	}
	for ; extra < l.spread.allowed && l.idle() >= 0; extra++ {
		release := l.src.ExtraStream()
		if release == nil {
			return
		}
		r := &reading{parallel: l, by: l.newStream()}
		if r.stretch = l.takeNext(r.by); r.stretch == nil {
			release()
			return
		}
		l.start(r.by, release, func() error { return l.read(r) })
	}
	part := l.slowest()
	if part == nil || l.asking || extra >= maxStreams || !l.spread.ready() {
		return
	}
	if release := l.src.ExtraStream(); release != nil {
		l.asking = true
		r := &reading{parallel: l, by: l.newStream(), takeover: part}
		l.start(r.by, release, func() error { return l.takeOver(r) })
	}
}

// takeOver asks for a part that another stream is on its way to, and reads it if that stream is so slow that
// it has not come there.
func (l *parallel) takeOver(r *reading) error {
	err := l.read(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.stretch != nil || l.ctx.Err() != nil {
		return err
	}
	l.asking = false
	l.spread.lost(err)
	return nil
}

// hash hashes what has just been stored, if everything before it has been hashed.
func (l *parallel) hash(p []byte, off int64) error {
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

// follow hashes what was not hashed when it arrived, and looks at the streams from time to time. It returns
// when everything is hashed.
func (l *parallel) follow() error {
	tick := time.NewTicker(judgeEvery)
	defer tick.Stop()
	always := make(chan struct{})
	close(always)
	for {
		off, more, err := l.hashOn()
		if err != nil || off == l.desc.Size {
			return err
		}
		var again chan struct{}
		if more {
			again = always
		}
		since := time.Now()
		select {
		case <-again:
		case <-l.whole:
		case <-tick.C:
			l.spread.link.woke(since)
			l.judge()
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		}
	}
}

// hashOn reads back and hashes the next bytes that are there and not hashed. It returns up to where all is
// hashed, and whether there may be more.
func (l *parallel) hashOn() (off int64, more bool, err error) {
	end := l.frontier()
	l.hashing.Lock()
	defer l.hashing.Unlock()
	if from := l.check.Offset(); from < end {
		more = true
		err = l.hashSpan(l.ctx, marks.Span{Off: from, End: min(end, from+hashStep)})
		l.lost = err != nil && l.ctx.Err() == nil
		if err == nil && l.check.Offset() == from {
			err = short(l.desc, from) // the file is shorter than its marks say
		}
	}
	return l.check.Offset(), more, err
}

// hashSpan reads back and hashes a span of the file.
func (l *parallel) hashSpan(ctx context.Context, s marks.Span) error {
	_, err := Copy(l.check, WithContext(ctx, io.NewSectionReader(l.file, s.Off, s.End-s.Off)))
	return err
}
