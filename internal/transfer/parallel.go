package transfer

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/marks"
	"drayage/internal/retry"
	"drayage/internal/verify"
)

const (
	// SplitSize is from where on a blob is read in ranges: below it a second request costs more than it brings, and [Fill] writes in order.
	SplitSize = 8 << 20
	// The size of a range: small enough that the streams end together, large enough that requests do not count.
	minRange, maxRange = 4 << 20, 32 << 20
	// maxStreams is how many streams one blob gets at most; rangesEach how many ranges each is meant to read.
	maxStreams, rangesEach = 32, 2
)

// parallel fills a file by one stream and, where that is slow, by several. Ranges are begun in their order, so that the whole part at the start
// grows. What arrives in order is hashed as it arrives, the rest is read once more behind that.
type parallel struct {
	src    image.ParallelSource
	desc   v1.Descriptor
	file   File
	ranges []piece      // all that was not hashed at the start, in order
	todo   []piece      // those of them that are not there
	moved  atomic.Int64 // bytes that are there
	report func(int64)

	ctx    context.Context // of all streams, for those that are begun by others
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	next    int // the first range to do that nobody has begun
	running int

	hashing sync.Mutex
	check   *verify.Check // has had everything before its offset
	lost    bool          // the disk does not give back what it was given
}

// fillParallel is fillOnce by several streams. On error it returns how many bytes from the start are whole; what has been written beyond
// is worth what is marked of it.
func fillParallel(ctx context.Context, src image.ParallelSource, d v1.Descriptor, f File, held []marks.Span, reported func(int64)) (int64, error) {
	check := verify.NewCheck(d)
	prefix, beyond := marks.Cut(held)
	if prefix > 0 {
		if _, err := hashPart(check, WithContext(ctx, io.NewSectionReader(f, 0, prefix))); err != nil {
			return unhashed(ctx, f, prefix), err
		}
		prefix = check.Offset()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := &parallel{src: src, desc: d, file: f, report: reported, ctx: ctx, cancel: cancel, check: check}
	l.ranges, l.todo = split(prefix, d.Size, beyond, blockOf(f))
	l.moved.Store(prefix + marks.Sum(beyond))
	l.tell()
	l.start(nil)
	err := l.follow(ctx)
	if err != nil {
		cancel(err)
	}
	l.wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err == nil {
		err = check.Done()
	} else if l.lost {
		forget(f) // or else the next try meets it again
	}
	return check.Offset(), err
}

// hashPart is io.Copy with few calls of the file.
func hashPart(check *verify.Check, r io.Reader) (int64, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{check}, struct{ io.Reader }{r}, buf[:])
}

// start begins a stream, with the release of an extra one.
func (l *parallel) start(release func()) {
	l.mu.Lock()
	l.running++
	l.mu.Unlock()
	l.wg.Go(func() {
		if release != nil {
			defer release()
		}
		var p pace
		for {
			r := l.take(&p)
			if len(r) == 0 {
				return
			}
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

// read brings a request to its place, and opens the source again where it breaks.
func (l *parallel) read(r request, p *pace) error {
	tries, mark := retry.Persistence{Since: r.off()}, newMarker(l.file, r.off())
	for off := r.off(); ; {
		n, err := l.readOnce(off, &r, mark, p)
		off += n
		if merr := mark.flush(off); err == nil {
			return merr
		}
		if err := tries.Again(l.ctx, l.desc, off, err); err != nil {
			return err
		}
	}
}

// readOnce reads by one request. While it does the request may become shorter.
func (l *parallel) readOnce(off int64, r *request, mark *marker, p *pace) (n int64, err error) {
	began := time.Now()
	rc, err := l.src.Open(l.ctx, l.desc, off, r.end()-off)
	if err != nil {
		return 0, err
	}
	defer rc.Close()
	p.opened(time.Since(began))
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for end := r.end(); off < end; end = max(off, r.end()) {
		began = time.Now()
		m, err := gather(rc, buf[:min(bufferSize, end-off)])
		p.read(m, time.Since(began))
		if m > 0 {
			if werr := l.write(buf[:m], off); werr != nil {
				return n, werr
			}
			off, n = off+int64(m), n+int64(m)
			if merr := mark.wrote(off); merr != nil {
				return n, merr
			}
			r.arrived(off)
			if p.slow() {
				l.giveBack(r)
				l.widen()
			}
		}
		if err != nil && off < r.end() { // with the last byte it does not matter any more
			if err == io.EOF {
				err = short(l.desc, off)
			}
			return n, err
		}
	}
	return n, nil
}

// write stores what has arrived, and hashes it if all before it has been hashed.
func (l *parallel) write(p []byte, off int64) error {
	if _, err := l.file.WriteAt(p, off); err != nil {
		return err
	}
	l.moved.Add(int64(len(p)))
	l.tell()
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

func (l *parallel) tell() {
	if l.report != nil {
		l.report(l.moved.Load())
	}
}

// follow hashes the ranges in their order as they become whole, as far as that has not been done when they arrived.
func (l *parallel) follow(ctx context.Context) error {
	for _, s := range l.ranges {
		select {
		case <-s.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := l.hash(s); err != nil {
			return err
		}
	}
	return nil
}

// hash reads back what of a range has not been hashed.
func (l *parallel) hash(s piece) error {
	l.hashing.Lock()
	defer l.hashing.Unlock()
	from := l.check.Offset()
	if from >= s.End {
		return nil
	}
	_, err := hashPart(l.check, WithContext(l.ctx, io.NewSectionReader(l.file, from, s.End-from)))
	l.lost = err != nil && l.ctx.Err() == nil
	return err
}
