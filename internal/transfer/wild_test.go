package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/marks"
	"drayage/internal/retry"
	"drayage/internal/transfer"
)

// farSource is a registry with a place of its own for each of the things that make one slow. Time is that of
// a bubble.
type farSource struct {
	content []byte
	begins  time.Duration // until the first byte of a request
	later   time.Duration // the same for all requests but the first; 0: as the first
	held    bool          // the answer comes at once, and its first byte late
	rate    int           // bytes a millisecond of each stream; 0: all at once
	burst   int           // bytes of each stream that come at once before that
	limit   int           // bytes a second of each stream, each second's at its beginning; 0: no such limit
	stuck   bool          // behind them nothing comes
	breaks  int           // bytes of each stream, after which it breaks; 0: it does not
	warmUp  int           // bytes of all streams, until which they have that rate; 0: always
	soFar   int           // bytes of all streams
	refused error         // of all requests but the first

	line  chan struct{} // all streams take turns if it is there
	free  chan struct{}
	mu    sync.Mutex
	asked []marks.Span
	done  int64 // bytes that the first request has brought
	sent  int64 // bytes that were sent under the limit, also those that nobody read
}

func (f *farSource) ExtraStream() func() {
	select {
	case f.free <- struct{}{}:
		return func() { <-f.free }
	default:
		return nil
	}
}

func (f *farSource) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if length == image.ToEnd {
		length = d.Size - offset
	}
	f.mu.Lock()
	first := len(f.asked) == 0
	f.asked = append(f.asked, marks.Span{Off: offset, End: offset + length})
	f.mu.Unlock()
	if !first && f.refused != nil {
		return nil, f.refused
	}
	s := &farStream{farSource: f, ctx: ctx, first: first, rest: f.content[offset : offset+length],
		opened: time.Now(), length: length}
	if s.late = f.begins; !first && f.later > 0 {
		s.late = f.later
	}
	if f.held {
		return s, nil
	}
	return s, s.begin()
}

type farStream struct {
	*farSource
	ctx   context.Context
	first bool
	late  time.Duration
	rest  []byte
	came  int

	opened time.Time
	length int64
}

func (s *farStream) begin() error {
	late := s.late
	s.late = 0
	return retry.Sleep(s.ctx, late)
}

func (s *farStream) Read(p []byte) (int, error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(s.rest))
	if s.breaks > 0 {
		if n = min(n, s.breaks-s.came); n == 0 {
			return 0, retry.Transient(io.ErrUnexpectedEOF)
		}
	}
	if s.warm() {
		return s.give(p[:n]), nil
	}
	if s.limit > 0 {
		if s.came >= s.allowed() {
			next := s.opened.Add(time.Since(s.opened).Truncate(time.Second) + time.Second)
			if err := retry.Sleep(s.ctx, time.Until(next)); err != nil {
				return 0, err
			}
		}
		n = min(n, s.allowed()-s.came)
	}
	if s.came >= s.burst && s.rate > 0 {
		if s.stuck {
			<-s.ctx.Done()
			return 0, context.Cause(s.ctx)
		}
		n = min(n, s.rate)
		if s.line != nil {
			s.line <- struct{}{}
			defer func() { <-s.line }()
		}
		if err := retry.Sleep(s.ctx, time.Millisecond); err != nil {
			return 0, err
		}
	}
	return s.give(p[:n]), nil
}

// warm reports whether the source has become fast.
func (s *farStream) warm() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.warmUp > 0 && s.soFar >= s.warmUp
}

func (s *farStream) give(p []byte) int {
	n := copy(p, s.rest)
	s.rest, s.came = s.rest[n:], s.came+n
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.soFar += n; s.first {
		s.done += int64(n)
	}
	return n
}

// allowed is how much the limit has let through since the stream was opened.
func (s *farStream) allowed() int { return s.limit * (1 + int(time.Since(s.opened)/time.Second)) }

// onTheWay is how much a server sends that nobody reads.
const onTheWay = 2 << 20

func (s *farStream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += min(s.length, int64(min(s.allowed(), s.came+onTheWay)))
	return nil
}

var busy = retry.Transient(errors.New("503"))

const fastRate, slowRate = 200_000, 8_000 // bytes a millisecond

// Slow first bytes are not slow streams. A blob whose stream is fast is read by one request, however long
// that takes to begin. Others read a slow one with it, unless that would not be faster.
func TestWild31SlowFirstBytes(t *testing.T) {
	content, d := large(t)
	for name, c := range map[string]struct {
		*farSource
		least, most int  // requests
		one         bool // the first request brings everything
	}{
		"prompt":                   {&farSource{rate: fastRate}, 1, 1, true},
		"50 ms":                    {&farSource{rate: fastRate, begins: 50 * time.Millisecond}, 1, 1, true},
		"500 ms":                   {&farSource{rate: fastRate, begins: 500 * time.Millisecond}, 1, 1, true},
		"half a minute":            {&farSource{rate: fastRate, begins: 30 * time.Second}, 1, 1, true},
		"header first":             {&farSource{rate: fastRate, begins: 2 * time.Second, held: true}, 1, 1, true},
		"slow":                     {&farSource{rate: slowRate}, 5, 60, false},
		"slow, header first":       {&farSource{rate: slowRate, begins: time.Second / 5, held: true}, 4, 60, false},
		"slow, 200 ms":             {&farSource{rate: slowRate, begins: 200 * time.Millisecond}, 4, 60, false},
		"slow, hashes for seconds": {&farSource{rate: slowRate, begins: 5 * time.Second}, 1, 1, true},
		"slow, then hashes":        {&farSource{rate: slowRate, later: time.Minute}, 2, 2, true},
		"slow, no ranges":          {&farSource{rate: slowRate, refused: image.ErrNoRanges}, 2, 2, true},
		"slow, refuses":            {&farSource{rate: slowRate, refused: errors.New("403")}, 2, 2, true},
		"slow, too many requests":  {&farSource{rate: slowRate, refused: busy}, 2, 4, true},
		"stops after a while":      {&farSource{rate: 1, burst: 5 << 20, stuck: true}, 6, 60, false},
		"slow, 503 ms later":       {&farSource{rate: slowRate, later: 503 * time.Millisecond}, 2, 60, false},
		"breaks after a while":     {&farSource{rate: fastRate, breaks: 5 << 20}, 4, 40, false},
		"slow, breaks":             {&farSource{rate: slowRate, breaks: 5 << 20}, 5, 80, false},
		"slow at first":            {&farSource{rate: slowRate, warmUp: 2 << 20}, 1, 40, false},
		"one line for all":         {&farSource{rate: slowRate, line: make(chan struct{}, 1)}, 2, 40, false},
	} {
		for way, read := range ways {
			t.Run(name+", "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src := c.farSource
					src.content, src.asked, src.done, src.free = content, nil, 0, make(chan struct{}, 32)
					src.soFar = 0
					if src.line != nil {
						src.line = make(chan struct{}, 1)
					}
					n, err := read(t, src, d)
					src.mu.Lock()
					defer src.mu.Unlock()
					if err != nil || n != size || len(src.asked) < c.least || len(src.asked) > c.most ||
						c.one && src.done != size || len(src.free) > 0 {
						t.Errorf("%d bytes, %v; %d came by the first request; asked for %v", n, err, src.done, src.asked)
					}
				})
			})
		}
	}
}

// ways are both ways to read a blob faster.
var ways = map[string]func(*testing.T, image.Source, v1.Descriptor) (int64, error){
	"into a file": func(t *testing.T, src image.Source, d v1.Descriptor) (int64, error) {
		return transfer.Fill(t.Context(), src, d, newFile(t, src.(*farSource).content, nil), nil)
	},
	"in order": func(t *testing.T, src image.Source, d v1.Descriptor) (int64, error) {
		r := image.NewReader(t.Context(), transfer.ReadAhead(src), d)
		defer r.Close()
		return io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 64<<10))
	},
}

// Where requests take long to begin, each asks for more.
func TestWild31RangesGrowWithLatency(t *testing.T) {
	content, d := large(t)
	var before int
	for _, begins := range []time.Duration{700 * time.Millisecond, time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			src := &farSource{content: content, rate: slowRate, begins: begins, free: make(chan struct{}, 32)}
			n, err := ways["into a file"](t, src, d)
			if err != nil || n != size || len(src.asked) <= before {
				t.Errorf("after %v each: %d bytes, %v; asked for %v", begins, n, err, src.asked)
			}
			before = len(src.asked)
		})
	}
}

// A server that holds a stream after a while, and lets a byte through now and then, does not keep what is
// left from others.
func TestWild31HeldStreams(t *testing.T) {
	content, d := large(t)
	for _, begins := range []time.Duration{time.Millisecond, 100 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			src := &farSource{content: content, burst: 5 << 20, rate: 1, begins: begins,
				free: make(chan struct{}, 32)}
			n, err := ways["into a file"](t, src, d)
			if err != nil || n != size || len(src.asked) > 12 {
				t.Errorf("after %v each: %d bytes, %v; asked %d times: %v", begins, n, err, len(src.asked), src.asked)
			}
		})
	}
}

// A server that limits each connection, and sends each second's worth at once, is asked by a few requests.
// All streams are of use. What crosses in vain is little: what was on its way of two streams that are cut
// short, and a twentieth.
func TestWild31LimitEachSecond(t *testing.T) {
	for limit, most := range map[int]struct {
		requests int
		time     time.Duration // where requests begin at once
	}{
		100_000:    {40, 12 * time.Second},
		300_000:    {40, 5 * time.Second},
		2_000_000:  {40, 1500 * time.Millisecond},
		20_000_000: {12, time.Second},
	} {
		for way := range ways {
			for _, begins := range []time.Duration{time.Millisecond, 100 * time.Millisecond} {
				t.Run(fmt.Sprintf("%d bytes a second, %s, after %v", limit, way, begins), func(t *testing.T) {
					took := most.time + 4*most.time*time.Duration(begins/(100*time.Millisecond))
					readLimited(t, way, &farSource{limit: limit, begins: begins}, most.requests, took)
				})
			}
		}
	}
}

func readLimited(t *testing.T, way string, src *farSource, requests int, within time.Duration) {
	content, d := large(t)
	synctest.Test(t, func(t *testing.T) {
		src.content, src.free = content, make(chan struct{}, 32)
		began := time.Now()
		n, err := ways[way](t, src, d)
		took := time.Since(began)
		synctest.Wait() // for streams to be closed
		most := int64(size*105/100 + 2*min(src.limit, onTheWay))
		if err != nil || n != size || len(src.asked) > requests || took > within || src.sent > most {
			t.Errorf("%d bytes, %v, %v; %d were sent; asked %d times: %v", n, err, took, src.sent, len(src.asked),
				src.asked)
		}
	})
}
