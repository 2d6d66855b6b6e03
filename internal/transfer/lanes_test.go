package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/transfer"
	"drayage/internal/transfertest"
	"drayage/internal/verify"
)

// road is a source with lanes.
type road struct {
	*transfertest.Source
	free chan struct{}

	mu      sync.Mutex
	noRange int // from this opening on there are no ranges; 0: never
	opened  int
	held    int // lanes that have not been given back
}

func newRoad(content []byte, lanes int) *road {
	return &road{Source: &transfertest.Source{Content: content}, free: make(chan struct{}, lanes)}
}

func (r *road) Lane() func() {
	select {
	case r.free <- struct{}{}:
		r.mu.Lock()
		r.held++
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
	none := r.noRange > 0 && r.opened >= r.noRange && length >= 0
	r.mu.Unlock()
	if none {
		return nil, transfer.ErrNoRanges
	}
	return r.Source.Open(ctx, d, offset, length)
}

// markedFile is a file that remembers its mark.
type markedFile struct {
	*os.File
	mark int64
}

func (m *markedFile) Mark(n int64) error {
	m.mark = n
	return nil
}

func large(t *testing.T) ([]byte, v1.Descriptor) {
	t.Helper()
	content := make([]byte, 30<<20+12345)
	rand.NewChaCha8([32]byte{7}).Read(content)
	return content, v1.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
}

func newFile(t *testing.T, prefix []byte) *markedFile {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "blob"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(prefix); err != nil {
		t.Fatal(err)
	}
	return &markedFile{File: f, mark: -1}
}

// Whatever happens on the lanes, what Fill calls whole is the content, and what it keeps is a prefix of it.
func TestLanes(t *testing.T) {
	content, d := large(t)
	other := errors.New("permanent")
	for name, c := range map[string]struct {
		lanes   int
		noRange int
		prefix  int64
		tries   []transfertest.Try
		always  transfertest.Try
		want    error
	}{
		"none":               {lanes: 0},
		"four":               {lanes: 4},
		"many":               {lanes: 64},
		"from a prefix":      {lanes: 4, prefix: 9<<20 + 1},
		"breaks":             {lanes: 4, tries: []transfertest.Try{transfertest.Break(100), transfertest.Break(1 << 20), transfertest.Break(0)}},
		"a wrong byte once":  {lanes: 4, tries: []transfertest.Try{transfertest.Whole, transfertest.Flip(3)}},
		"wrong bytes always": {lanes: 4, always: transfertest.Flip(3), want: verify.ErrMismatch},
		"no ranges":          {lanes: 4, noRange: 1},
		"no ranges any more": {lanes: 4, noRange: 4},
		"breaks for ever":    {lanes: 4, always: transfertest.Break(0), want: transfertest.ErrBroken},
		"fails":              {lanes: 4, tries: []transfertest.Try{transfertest.Whole, transfertest.Whole, transfertest.Fail(7, other)}, want: other},
		"ends early":         {lanes: 4, always: func(rest []byte) (io.Reader, error) { return bytes.NewReader(rest[:len(rest)/2]), nil }, want: verify.ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newRoad(content, c.lanes)
				src.Tries, src.Always, src.noRange = c.tries, c.always, c.noRange
				f := newFile(t, content[:c.prefix])
				last := int64(0)
				var mu sync.Mutex
				n, err := transfer.Fill(t.Context(), src, d, f, c.prefix, func(n int64) {
					mu.Lock()
					defer mu.Unlock()
					last = max(last, n)
				})
				if !errors.Is(err, c.want) {
					t.Fatalf("%v, want %v", err, c.want)
				}
				if src.held != 0 {
					t.Errorf("%d lanes were not given back", src.held)
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

// A mark is never ahead of what is whole, whenever the process dies: writes are watched and the prefix compared.
func TestMarkIsNeverAhead(t *testing.T) {
	content, d := large(t)
	src := newRoad(content, 8)
	f := &watchedFile{markedFile: newFile(t, nil), t: t, content: content}
	if n, err := transfer.Fill(t.Context(), src, d, f, 0, nil); err != nil || n != d.Size {
		t.Fatal(n, err)
	}
	if f.marks < 3 {
		t.Errorf("%d marks", f.marks)
	}
}

type watchedFile struct {
	*markedFile
	t       *testing.T
	content []byte
	marks   int
}

func (w *watchedFile) Mark(n int64) error {
	w.marks++
	got := make([]byte, n)
	if _, err := w.ReadAt(got, 0); err != nil && n > 0 || !bytes.Equal(got, w.content[:n]) {
		w.t.Errorf("the mark is at %d, which is not whole: %v", n, err)
	}
	return nil
}

func TestLanesCancelled(t *testing.T) {
	content, d := large(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	src := newRoad(content, 4)
	n, err := transfer.Fill(ctx, src, d, newFile(t, nil), 0, func(n int64) {
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
	f := newFile(t, nil)
	n, err := transfer.Fill(t.Context(), src, d, f, 0, nil)
	if !errors.Is(err, gone) || n != 3<<20 || f.mark < 2<<20 {
		t.Errorf("%d bytes are kept and %d remembered of %d: %v", n, f.mark, 3<<20, err)
	}
}

// A stream that has got something just when all is called off begins no others.
func TestLanesCancelledInRead(t *testing.T) {
	content, d := large(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		src := newRoad(content, 64)
		src.Wrap = func(r io.Reader) io.Reader {
			cancel(stop)
			return r
		}
		if _, err := transfer.Fill(ctx, src, d, newFile(t, nil), 0, nil); !errors.Is(err, stop) {
			t.Errorf("%v", err)
		}
		if src.held != 0 || src.opened > 3 {
			t.Errorf("%d lanes were not given back; opened %d times", src.held, src.opened)
		}
	})
}
