package transfer

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

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

// fast is the pace, in bytes a second, from which on one stream is left alone: more of them would not bring more, but cost more. A stream is judged
// when it has had judgeAfter to show it.
const (
	fast       = 64 << 20
	judgeAfter = 20 * time.Millisecond
)

// lanes fills a file by one stream and, where that is slow, by several. Ranges are begun in their order, so that the whole part at the start
// grows. What arrives in order is hashed as it arrives, the rest is read once more behind that.
type lanes struct {
	src    Source
	more   Lanes
	desc   v1.Descriptor
	file   File
	ranges []span
	moved  atomic.Int64 // bytes that have been written
	report func(int64)

	ctx    context.Context // of all streams, for those that are begun by others
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	next    int // the first range that nobody has begun
	running int

	hashing sync.Mutex
	check   *verify.Check // has had everything before its offset
}

// span is a range and, when done is closed, on disk.
type span struct {
	off, end int64
	done     chan struct{}
}

// stream is one connection to the source. It goes from range to range without being opened again as long as these follow each other.
type stream struct {
	rc    io.ReadCloser
	at    int64     // offset of the next byte
	got   int64     // bytes since it was opened
	since time.Time // it was opened
}

func (s *stream) close() {
	if s.rc != nil {
		s.rc.Close()
		s.rc = nil
	}
}

// fillLanes is fillOnce by several streams. On error it returns how many bytes from the start are whole; what has been written beyond
// is worth nothing.
func fillLanes(ctx context.Context, src Source, more Lanes, d v1.Descriptor, f File, held int64, reported func(int64)) (int64, error) {
	check := verify.NewCheck(d)
	if held > 0 {
		n, err := hashPart(check, WithContext(ctx, io.NewSectionReader(f, 0, held)))
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
	l := &lanes{src: src, more: more, desc: d, file: f, ranges: split(held, d.Size), report: reported, ctx: ctx, cancel: cancel, check: check}
	l.moved.Store(held)
	l.tell()
	l.start(nil)
	whole, err := l.follow(ctx)
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

// hashPart is io.Copy with few calls of the file.
func hashPart(check *verify.Check, r io.Reader) (int64, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{check}, struct{ io.Reader }{r}, buf[:])
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
func (l *lanes) start(release func()) {
	l.mu.Lock()
	l.running++
	l.mu.Unlock()
	l.wg.Go(func() {
		if release != nil {
			defer release()
		}
		var st stream
		defer st.close()
		for {
			s, ok := l.take()
			if !ok {
				return
			}
			if err := l.read(&st, s); err != nil {
				l.cancel(err)
				return
			}
			close(s.done)
		}
	})
}

// take gives out the next range.
func (l *lanes) take() (span, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil || l.next == len(l.ranges) {
		l.running--
		return span{}, false
	}
	s := l.ranges[l.next]
	l.next++
	return s, true
}

// widen begins more streams if this one is slow and there are lanes for them: lanes become free when other blobs are done.
func (l *lanes) widen(st *stream) {
	if took := time.Since(st.since); took > 0 && (took < judgeAfter || float64(st.got) >= fast*took.Seconds()) {
		return
	}
	for {
		l.mu.Lock()
		wanted := l.next < len(l.ranges) && l.running <= maxLanes
		l.mu.Unlock()
		if !wanted {
			return
		}
		release := l.more.Lane()
		if release == nil {
			return
		}
		l.start(release)
	}
}

// read brings one range to its place, and opens the source again where it breaks.
func (l *lanes) read(st *stream, s span) error {
	tries := persistence{since: s.off}
	for off := s.off; ; {
		n, err := l.readOnce(st, off, s.end)
		if off += n; err == nil {
			return nil
		}
		st.close()
		if err := tries.again(l.ctx, l.desc, off, err); err != nil {
			return err
		}
	}
}

func (l *lanes) readOnce(st *stream, off, end int64) (n int64, err error) {
	if err := l.open(st, off, end); err != nil {
		return 0, err
	}
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for off < end {
		m, err := st.rc.Read(buf[:min(bufferSize, end-off)])
		if m > 0 {
			if werr := l.write(buf[:m], off); werr != nil {
				return n, werr
			}
			off, n = off+int64(m), n+int64(m)
			st.at, st.got = off, st.got+int64(m)
			l.widen(st)
		}
		if err == io.EOF && off < end {
			return n, short(l.desc, off)
		}
		if err != nil && err != io.EOF {
			return n, err
		}
	}
	return n, nil
}

// open makes st stand at off. A stream that is the only one is opened to the end of the blob, others for one range.
func (l *lanes) open(st *stream, off, end int64) error {
	if st.rc != nil && st.at == off {
		return nil
	}
	st.close()
	l.mu.Lock()
	length := end - off
	if l.running == 1 {
		length = ToEnd
	}
	l.mu.Unlock()
	rc, err := l.src.Open(l.ctx, l.desc, off, length)
	if err != nil {
		return err
	}
	*st = stream{rc: rc, at: off, since: time.Now()}
	return nil
}

// write stores what has arrived, and hashes it if all before it has been hashed.
func (l *lanes) write(p []byte, off int64) error {
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

func (l *lanes) tell() {
	if l.report != nil {
		l.report(l.moved.Load())
	}
}

// follow hashes the ranges in their order as they become whole, as far as that has not been done when they arrived, and returns up to
// where it came.
func (l *lanes) follow(ctx context.Context) (int64, error) {
	mark, _ := l.file.(Marked)
	for _, s := range l.ranges {
		select {
		case <-s.done:
		case <-ctx.Done():
			return s.off, context.Cause(ctx)
		}
		if err := l.hash(s); err != nil {
			return s.off, err
		}
		if mark == nil {
			continue
		}
		if err := mark.Mark(s.end); err != nil {
			return s.off, err
		}
	}
	return l.check.Offset(), nil
}

// hash reads back what of a range has not been hashed.
func (l *lanes) hash(s span) error {
	l.hashing.Lock()
	defer l.hashing.Unlock()
	from := l.check.Offset()
	if from >= s.end {
		return nil
	}
	_, err := hashPart(l.check, io.NewSectionReader(l.file, from, s.end-from))
	return err
}
