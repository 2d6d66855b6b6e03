package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/marks"
	"drayage/internal/transfer"
	"drayage/internal/transfertest"
	"drayage/internal/verify"
)

// road is a source with lanes.
type road struct {
	*transfertest.Source
	free chan struct{}
	slow bool // so that more lanes help: only in a bubble of time

	mu      sync.Mutex
	noRange int // from this opening on there are no ranges; 0: never
	opened  int
	asked   []marks.Span
	held    int // lanes that have not been given back
	most    int // of them at once
}

func newRoad(content []byte, lanes int) *road {
	return &road{Source: &transfertest.Source{Content: content}, free: make(chan struct{}, lanes)}
}

func (r *road) Lane() func() {
	select {
	case r.free <- struct{}{}:
		r.mu.Lock()
		r.held++
		r.most = max(r.most, r.held)
		r.mu.Unlock()
		return func() {
			<-r.free
			r.mu.Lock()
			r.held--
			r.mu.Unlock()
		}
	default:
		return nil
	}
}

func (r *road) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	r.mu.Lock()
	r.opened++
	if length >= 0 {
		r.asked = append(r.asked, marks.Span{Off: offset, End: offset + length})
	}
	none := r.noRange > 0 && r.opened >= r.noRange && length >= 0
	r.mu.Unlock()
	if none {
		return nil, image.ErrNoRanges
	}
	rc, err := r.Source.Open(ctx, d, offset, length)
	if err == nil && r.slow {
		rc = struct {
			io.Reader
			io.Closer
		}{steady{rc, 8 << 10}, rc}
	}
	return rc, err
}

const size = 30<<20 + 12345

func large(t *testing.T) ([]byte, v1.Descriptor) {
	t.Helper()
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{7}).Read(content)
	return content, v1.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
}

// Whatever happens on the lanes, what Fill calls whole is the content, and what it keeps is a prefix of it.
func TestLanes(t *testing.T) {
	content, d := large(t)
	other := errors.New("permanent")
	for name, c := range map[string]struct {
		lanes   int
		noRange int
		held    []marks.Span
		tries   []transfertest.Try
		always  transfertest.Try
		want    error
	}{
		"none":               {lanes: 0},
		"four":               {lanes: 4},
		"many":               {lanes: 64},
		"from a prefix":      {lanes: 4, held: marks.Prefix(9<<20 + 1)},
		"from parts":         {lanes: 4, held: []marks.Span{{Off: 0, End: 3 << 20}, {Off: 5 << 20, End: 6 << 20}, {Off: 29 << 20, End: size}}},
		"from the end":       {lanes: 2, held: []marks.Span{{Off: 25 << 20, End: size}}},
		"from all but a bit": {lanes: 2, held: []marks.Span{{Off: 0, End: 1 << 20}, {Off: 2 << 20, End: size}}},
		"from everything":    {lanes: 2, held: marks.Prefix(size)},
		"from nonsense":      {lanes: 2, held: []marks.Span{{Off: 5, End: 1}, {Off: 0, End: 1 << 40}}},
		"parts, no ranges":   {lanes: 2, held: []marks.Span{{Off: 1 << 20, End: 9 << 20}}, noRange: 1},
		"parts, breaks":      {lanes: 4, held: []marks.Span{{Off: 5 << 20, End: 6 << 20}}, always: transfertest.Break(1 << 20)},
		"breaks":             {lanes: 4, tries: []transfertest.Try{transfertest.Break(100), transfertest.Break(1 << 20), transfertest.Break(0)}},
		"a wrong byte once":  {lanes: 4, tries: []transfertest.Try{transfertest.Whole, transfertest.Flip(3)}},
		"wrong bytes always": {lanes: 4, always: transfertest.Flip(3), want: verify.ErrMismatch},
		"no ranges":          {lanes: 4, noRange: 1},
		"no ranges any more": {lanes: 4, noRange: 6},
		"breaks for ever":    {lanes: 4, always: transfertest.Break(0), want: transfertest.ErrBroken},
		"fails":              {lanes: 4, tries: []transfertest.Try{transfertest.Whole, transfertest.Whole, transfertest.Fail(7, other)}, want: other},
		"ends early":         {lanes: 4, always: func(rest []byte) (io.Reader, error) { return bytes.NewReader(rest[:len(rest)/2]), nil }, want: verify.ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newRoad(content, c.lanes)
				src.slow = true
				src.Tries, src.Always, src.noRange = c.tries, c.always, c.noRange
				f := newFile(t, content, c.held)
				f.content = nil
				last := int64(0)
				var mu sync.Mutex
				n, err := transfer.Fill(t.Context(), src, d, f, c.held, func(n int64) {
					mu.Lock()
					defer mu.Unlock()
					last = max(last, n)
				})
				if !errors.Is(err, c.want) {
					t.Fatalf("%v, want %v", err, c.want)
				}
				if want := min(c.lanes, 5); src.held != 0 || c.noRange != 1 && c.want == nil && c.held == nil && src.most < want {
					t.Errorf("%d lanes were not given back; %d at once, want %d at least", src.held, src.most, want)
				}
				got := make([]byte, n)
				if _, rerr := f.ReadAt(got, 0); rerr != nil && n > 0 {
					t.Fatal(rerr)
				}
				if !bytes.Equal(got, content[:n]) && !errors.Is(c.want, verify.ErrMismatch) {
					t.Errorf("the first %d bytes are not those of the blob", n)
				}
				if err == nil && (n != d.Size || last != d.Size) {
					t.Errorf("%d bytes, %d reported, want %d", n, last, d.Size)
				}
			})
		})
	}
}

func TestLanesCancelled(t *testing.T) {
	content, d := large(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	src := newRoad(content, 4)
	n, err := transfer.Fill(ctx, src, d, newFile(t, content, nil), nil, func(n int64) {
		if n > 5<<20 {
			cancel(stop)
		}
	})
	if !errors.Is(err, stop) || n >= d.Size {
		t.Errorf("%d, %v", n, err)
	}
}

// What arrived of a range counts, also when its end does not come, and is remembered before that.
func TestLanesKeepTheBeginningOfARange(t *testing.T) {
	content, d := large(t)
	gone := errors.New("gone")
	src := newRoad(content, 0)
	src.Always = transfertest.Fail(3<<20, gone)
	f := newFile(t, content, nil)
	n, err := transfer.Fill(t.Context(), src, d, f, nil, nil)
	if held := f.Spans(); !errors.Is(err, gone) || n != 3<<20 || !slices.Equal(held, marks.Prefix(3<<20)) {
		t.Errorf("%d bytes are kept and %v remembered of %d: %v", n, held, 3<<20, err)
	}
}

// A stream that has got something just when all is called off begins no others.
func TestLanesCancelledInRead(t *testing.T) {
	content, d := large(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		src := newRoad(content, 64)
		src.slow = true
		src.Wrap = func(r io.Reader) io.Reader {
			cancel(stop)
			return r
		}
		if _, err := transfer.Fill(ctx, src, d, newFile(t, content, nil), nil, nil); !errors.Is(err, stop) {
			t.Errorf("%v", err)
		}
		if src.held != 0 || src.opened > 3 {
			t.Errorf("%d lanes were not given back; opened %d times", src.held, src.opened)
		}
	})
}

// A stream that is fast reads on by few requests.
func TestLanesRuns(t *testing.T) {
	content, d := large(t)
	synctest.Test(t, func(t *testing.T) {
		src := newRoad(content, 4)
		src.Wrap = func(r io.Reader) io.Reader { return steady{r, 256 << 10} }
		f := newFile(t, content, nil)
		if n, err := transfer.Fill(t.Context(), src, d, f, nil, nil); err != nil || n != d.Size {
			t.Fatal(n, err)
		}
		want := []marks.Span{{Off: 0, End: 4 << 20}, {Off: 4 << 20, End: 12 << 20}, {Off: 12 << 20, End: 28 << 20}, {Off: 28 << 20, End: size}}
		if !slices.Equal(src.asked, want) || src.most != 0 {
			t.Errorf("asked for %v, on %d more lanes", src.asked, src.most)
		}
		checkContent(t, f)
	})
}

// When it becomes slow, others take what it has asked for and not got.
func TestLanesGiveBack(t *testing.T) {
	content, d := large(t)
	synctest.Test(t, func(t *testing.T) {
		src := newRoad(content, 4)
		var requests atomic.Int32
		src.Wrap = func(r io.Reader) io.Reader {
			if requests.Add(1) <= 2 {
				return steady{r, 256 << 10}
			}
			return steady{r, 8 << 10}
		}
		f := newFile(t, content, nil)
		if n, err := transfer.Fill(t.Context(), src, d, f, nil, nil); err != nil || n != d.Size {
			t.Fatal(n, err)
		}
		if len(src.asked) < 6 || src.asked[2] != (marks.Span{Off: 12 << 20, End: 28 << 20}) || src.asked[3].Off != 16<<20 || src.most < 3 || src.held != 0 {
			t.Errorf("asked for %v, on %d more lanes", src.asked, src.most)
		}
		checkContent(t, f)
	})
}

// What breaks with the last byte of what was asked for is whole: nothing is asked for again.
func TestBreaksWithTheLastByte(t *testing.T) {
	content, d := large(t)
	for name, read := range map[string]func(*testing.T, image.Source) (int64, error){
		"lanes": func(t *testing.T, src image.Source) (int64, error) {
			return transfer.Fill(t.Context(), src, d, newFile(t, content, nil), nil, nil)
		},
		"ahead": func(t *testing.T, src image.Source) (int64, error) {
			r := image.NewReader(t.Context(), transfer.Ahead(src), d)
			defer r.Close()
			return io.Copy(io.Discard, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newRoad(content, 3)
				src.slow = true
				src.Always = transfertest.Break(size)
				src.Wrap = iotest.DataErrReader
				if n, err := read(t, src); err != nil || n != size {
					t.Fatal(n, err)
				}
				if src.opened != len(src.asked) || marks.Sum(src.asked) != size || slices.ContainsFunc(src.asked, func(s marks.Span) bool { return s.End == s.Off }) {
					t.Errorf("opened %d times, asked for %v", src.opened, src.asked)
				}
			})
		})
	}
}
