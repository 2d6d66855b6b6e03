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

// parallelSource is an image.ParallelSource.
type parallelSource struct {
	*transfertest.Source
	free chan struct{}
	slow bool // so that extra streams help: only in a bubble of time

	mu      sync.Mutex
	noRange int // from this opening on there are no ranges; 0: never
	opened  int
	brought int64 // bytes that were read
	asked   []marks.Span
	held    int // extra streams that have not been given back
	most    int // of them at once
}

func newParallel(content []byte, extra int) *parallelSource {
	return &parallelSource{Source: &transfertest.Source{Content: content}, free: make(chan struct{}, extra)}
}

func (r *parallelSource) ExtraStream() func() {
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

func (r *parallelSource) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser,
	error) {
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
	if err != nil {
		return nil, err
	}
	from := io.Reader(rc)
	if r.slow {
		from = steady{rc, 8 << 10}
	}
	return struct {
		io.Reader
		io.Closer
	}{brings{from, r}, rc}, nil
}

// brings counts the bytes of a parallelSource.
type brings struct {
	io.Reader
	of *parallelSource
}

func (b brings) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	b.of.brought += int64(n)
	return n, err
}

const size = 30<<20 + 12345

func large(t *testing.T) ([]byte, v1.Descriptor) {
	t.Helper()
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{7}).Read(content)
	return content, v1.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
}

// Whatever happens to the extra streams, what Fill calls whole is the content, and what it keeps is a
// prefix of it.
func TestParallel(t *testing.T) {
	content, d := large(t)
	other := errors.New("permanent")
	for name, c := range map[string]struct {
		extra   int
		noRange int
		held    []marks.Span
		tries   []transfertest.Try
		always  transfertest.Try
		want    error
	}{
		"none":          {extra: 0},
		"four":          {extra: 4},
		"many":          {extra: 64},
		"from a prefix": {extra: 4, held: marks.Prefix(9<<20 + 1)},
		"from parts": {extra: 4, held: []marks.Span{{Off: 0, End: 3 << 20}, {Off: 5 << 20, End: 6 << 20},
			{Off: 29 << 20, End: size}}},
		"from the end":       {extra: 2, held: []marks.Span{{Off: 25 << 20, End: size}}},
		"from all but a bit": {extra: 2, held: []marks.Span{{Off: 0, End: 1 << 20}, {Off: 2 << 20, End: size}}},
		"from everything":    {extra: 2, held: marks.Prefix(size)},
		"from nonsense":      {extra: 2, held: []marks.Span{{Off: 5, End: 1}, {Off: 0, End: 1 << 40}}},
		"parts, no ranges":   {extra: 2, held: []marks.Span{{Off: 1 << 20, End: 9 << 20}}, noRange: 1},
		"parts, breaks": {extra: 4, held: []marks.Span{{Off: 5 << 20, End: 6 << 20}},
			always: transfertest.Break(1 << 20)},
		"breaks": {extra: 4, tries: []transfertest.Try{transfertest.Break(100),
			transfertest.Break(1 << 20), transfertest.Break(0)}},
		"a wrong byte once":  {extra: 4, tries: []transfertest.Try{transfertest.Whole, transfertest.Flip(3)}},
		"wrong bytes always": {extra: 4, always: transfertest.Flip(3), want: verify.ErrMismatch},
		"no ranges":          {extra: 4, noRange: 1},
		"no ranges any more": {extra: 4, noRange: 6},
		"breaks for ever":    {extra: 4, always: transfertest.Break(0), want: transfertest.ErrBroken},
		"fails": {extra: 4, tries: []transfertest.Try{transfertest.Whole, transfertest.Whole,
			transfertest.Fail(7, other)}, want: other},
		"ends early": {extra: 4, always: func(rest []byte) (io.Reader,
			error) {
			return bytes.NewReader(rest[:len(rest)/2]), nil
		}, want: verify.ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newParallel(content, c.extra)
				src.slow = true
				src.Tries, src.Always, src.noRange = c.tries, c.always, c.noRange
				f := newFile(t, content, c.held)
				f.content = nil
				last := int64(0)
				var mu sync.Mutex
				n, err := transfer.Fill(t.Context(), src, d, f, func(n int64) {
					mu.Lock()
					defer mu.Unlock()
					last = max(last, n)
				})
				if !errors.Is(err, c.want) {
					t.Fatalf("%v, want %v", err, c.want)
				}
				if want := min(c.extra, 5); src.held != 0 || c.noRange != 1 && c.want == nil && c.held == nil &&
					src.most < want {
					t.Errorf("%d extra streams were not given back; %d at once, want %d at least", src.held, src.most, want)
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

func TestParallelCancelled(t *testing.T) {
	content, d := large(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	src := newParallel(content, 4)
	n, err := transfer.Fill(ctx, src, d, newFile(t, content, nil), func(n int64) {
		if n > 5<<20 {
			cancel(stop)
		}
	})
	if !errors.Is(err, stop) || n >= d.Size {
		t.Errorf("%d, %v", n, err)
	}
}

// What arrived of a range counts, also when its end does not come, and is remembered before that. How much of
// it has been hashed by then is a matter of luck.
func TestParallelKeepTheBeginningOfARange(t *testing.T) {
	content, d := large(t)
	gone := errors.New("gone")
	src := newParallel(content, 0)
	src.Always = transfertest.Fail(3<<20, gone)
	f := newFile(t, content, nil)
	n, err := transfer.Fill(t.Context(), src, d, f, nil)
	if held := f.again().Held(); !errors.Is(err, gone) || n > 3<<20 ||
		!slices.Equal(held, marks.Prefix(3<<20)) {
		t.Errorf("%d bytes are kept and %v remembered of %d: %v", n, held, 3<<20, err)
	}
}

// A stream that has got something just when all is called off begins no others.
func TestParallelCancelledInRead(t *testing.T) {
	content, d := large(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		src := newParallel(content, 64)
		src.slow = true
		src.Wrap = func(r io.Reader) io.Reader {
			cancel(stop)
			return r
		}
		if _, err := transfer.Fill(ctx, src, d, newFile(t, content, nil), nil); !errors.Is(err, stop) {
			t.Errorf("%v", err)
		}
		if src.held != 0 || src.opened > 3 {
			t.Errorf("%d extra streams were not given back; opened %d times", src.held, src.opened)
		}
	})
}

// When a stream becomes slow, others take what it has asked for and not got.
func TestTakeOver(t *testing.T) {
	content, d := large(t)
	synctest.Test(t, func(t *testing.T) {
		src := newParallel(content, 4)
		var requests atomic.Int32
		src.Wrap = func(r io.Reader) io.Reader {
			if requests.Add(1) > 1 {
				return steady{r, 8 << 10}
			}
			return io.MultiReader(steady{io.LimitReader(r, 12<<20), 256 << 10}, steady{r, 8 << 10})
		}
		f := newFile(t, content, nil)
		if n, err := transfer.Fill(t.Context(), src, d, f, nil); err != nil || n != d.Size {
			t.Fatal(n, err)
		}
		if len(src.asked) < 6 || src.asked[0] != (marks.Span{Off: 0, End: size}) || src.asked[1].Off < 12<<20 ||
			src.most < 3 || src.held != 0 {
			t.Errorf("asked for %v, on %d extra streams", src.asked, src.most)
		}
		checkContent(t, f)
	})
}

// What breaks with the last byte of what was asked for is whole: nothing is asked for again.
func TestBreaksWithTheLastByte(t *testing.T) {
	content, d := large(t)
	for name, read := range map[string]func(*testing.T, image.Source) (int64, error){
		"extra streams": func(t *testing.T, src image.Source) (int64, error) {
			return transfer.Fill(t.Context(), src, d, newFile(t, content, nil), nil)
		},
		"ahead": func(t *testing.T, src image.Source) (int64, error) {
			r := image.NewReader(t.Context(), transfer.ReadAhead(src), d)
			defer r.Close()
			return io.Copy(io.Discard, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newParallel(content, 3)
				src.slow = true
				src.Always = transfertest.Break(size)
				src.Wrap = iotest.DataErrReader
				if n, err := read(t, src); err != nil || n != size {
					t.Fatal(n, err)
				}
				asked := slices.Clone(src.asked)
				slices.SortFunc(asked, func(a, b marks.Span) int { return int(a.Off - b.Off) })
				for i, s := range asked {
					if s.End == s.Off || i > 0 && s.Off == asked[i-1].Off {
						t.Errorf("asked for %v", asked)
					}
				}
			})
		})
	}
}
