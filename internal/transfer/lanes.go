package transfer

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/verify"
)

const (
	// splitSize is from where on a blob is read in ranges: below it a second request costs more than it brings.
	splitSize = 8 << 20
	// The size of a range: small enough that the streams end together, large enough that requests do not count.
	minRange, maxRange = 4 << 20, 32 << 20
	// maxLanes is how many streams one blob gets at most; rangesEach how many ranges each is meant to read.
	maxLanes, rangesEach = 16, 3
)

// lanes fills a file by several streams of ranges. Ranges are begun in their order, so that the whole part at the start
// grows, and hashed in their order behind that.
type lanes struct {
	src    Source
	more   Lanes
	desc   v1.Descriptor
	file   File
	ranges []span
	moved  atomic.Int64 // bytes that have been written
	report func(int64)

	mu      sync.Mutex
	next    int // the first range that nobody has begun
	running int
	wg      sync.WaitGroup
}

// span is a range and, when done is closed, on disk.
type span struct {
	off, end int64
	done     chan struct{}
}

// fillLanes is fillOnce by several streams. On error it returns how many bytes from the start are whole; what has been written beyond
// is worth nothing.
func fillLanes(ctx context.Context, src Source, more Lanes, d v1.Descriptor, f File, held int64, reported func(int64)) (int64, error) {
	check := verify.NewCheck(d)
	if held > 0 {
		n, err := io.Copy(check, WithContext(ctx, io.NewSectionReader(f, 0, held)))
		if err != nil {
			return unhashed(ctx, held), err
		}
		held = n
	}
	if m, ok := f.(Marked); ok {
		if err := m.Mark(held); err != nil {
			return held, err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := &lanes{src: src, more: more, desc: d, file: f, ranges: split(held, d.Size), report: reported}
	l.moved.Store(held)
	l.tell()
	l.start(ctx, cancel, nil)
	whole, err := l.follow(ctx, check)
	if err != nil {
		cancel(err)
	}
	l.wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return whole, err
	}
	return whole, check.Done()
}

// split divides what is missing into ranges.
func split(from, to int64) []span {
	size := min(max((to-from)/(maxLanes*rangesEach), minRange), maxRange)
	var all []span
	for off := from; off < to; off += size {
		all = append(all, span{off, min(off+size, to), make(chan struct{})})
	}
	return all
}

// start begins a stream, with the release of its lane.
func (l *lanes) start(ctx context.Context, cancel context.CancelCauseFunc, release func()) {
	l.mu.Lock()
	l.running++
	l.mu.Unlock()
	l.wg.Go(func() {
		if release != nil {
			defer release()
		}
		for {
			s, ok := l.take(ctx, cancel)
			if !ok {
				return
			}
			if err := l.read(ctx, s); err != nil {
				cancel(err)
				return
			}
			close(s.done)
		}
	})
}

// take gives out the next range, and begins another stream if there is a lane for it: lanes become free when other blobs are done.
func (l *lanes) take(ctx context.Context, cancel context.CancelCauseFunc) (span, bool) {
	l.mu.Lock()
	if ctx.Err() != nil || l.next == len(l.ranges) {
		l.mu.Unlock()
		return span{}, false
	}
	s := l.ranges[l.next]
	l.next++
	wanted := l.next < len(l.ranges) && l.running < maxLanes
	l.mu.Unlock()
	if wanted {
		if release := l.more.Lane(); release != nil {
			l.start(ctx, cancel, release)
		}
	}
	return s, true
}

// read brings one range to its place.
func (l *lanes) read(ctx context.Context, s span) error {
	return readRange(ctx, l.src, l.desc, s.off, s.end, func(p []byte, off int64) error {
		if _, err := l.file.WriteAt(p, off); err != nil {
			return err
		}
		l.moved.Add(int64(len(p)))
		l.tell()
		return nil
	})
}

func (l *lanes) tell() {
	if l.report != nil {
		l.report(l.moved.Load())
	}
}

// follow hashes the ranges in their order as they become whole, and returns up to where it came.
func (l *lanes) follow(ctx context.Context, check *verify.Check) (int64, error) {
	mark, _ := l.file.(Marked)
	for _, s := range l.ranges {
		select {
		case <-s.done:
		case <-ctx.Done():
			return s.off, context.Cause(ctx)
		}
		if _, err := io.Copy(check, io.NewSectionReader(l.file, s.off, s.end-s.off)); err != nil {
			return s.off, err
		}
		if mark == nil {
			continue
		}
		if err := mark.Mark(s.end); err != nil {
			return s.off, err
		}
	}
	return check.Offset(), nil
}
