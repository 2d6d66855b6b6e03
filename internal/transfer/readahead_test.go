package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/transfer"
	"drayage/internal/transfertest"
	"drayage/internal/verify"
)

// Whatever happens to the extra streams, a Reader of the blob gives out the content or an error.
func TestReadAhead(t *testing.T) {
	content, d := large(t)
	other := errors.New("permanent")
	for name, c := range map[string]struct {
		extra   int
		noRange int
		tries   []transfertest.Try
		always  transfertest.Try
		want    error
	}{
		"none": {extra: 0},
		"four": {extra: 4},
		"many": {extra: 64},
		"breaks": {extra: 4, tries: []transfertest.Try{transfertest.Break(100),
			transfertest.Break(1 << 20), transfertest.Break(0)}},
		"a wrong byte": {extra: 4, tries: []transfertest.Try{transfertest.Whole, transfertest.Flip(3)},
			want: verify.ErrMismatch},
		"no ranges":          {extra: 4, noRange: 1},
		"no ranges any more": {extra: 4, noRange: 9},
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
				r := image.NewReader(t.Context(), transfer.ReadAhead(src), d)
				defer r.Close()
				var got bytes.Buffer
				_, err := io.CopyBuffer(struct{ io.Writer }{&got}, r, make([]byte, 300_001))
				if !errors.Is(err, c.want) {
					t.Fatalf("%v, want %v", err, c.want)
				}
				if err == nil && !bytes.Equal(got.Bytes(), content) {
					t.Errorf("%d bytes that are not those of the blob", got.Len())
				}
				if err == nil && c.extra >= 4 && c.noRange == 0 && src.opened < 10 {
					t.Errorf("opened %d times: that is no reading ahead", src.opened)
				}
				if src.held != 0 {
					t.Errorf("%d extra streams were not given back", src.held)
				}
			})
		})
	}
}

// From any offset, as a Reader asks for after a break, and for a bounded part.
func TestReadAheadFromAnywhere(t *testing.T) {
	content, d := large(t)
	for _, off := range []int64{0, 1, 2 << 20, 3<<20 + 7, d.Size - 9<<20, d.Size - 100, d.Size} {
		src := newParallel(content, 3)
		rc, err := transfer.ReadAhead(src).Open(t.Context(), d, off, image.ToEnd)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rc)
		if err != nil || !bytes.Equal(got, content[off:]) {
			t.Errorf("from %d: %d bytes, %v", off, len(got), err)
		}
		if err := rc.Close(); err != nil || src.held != 0 {
			t.Errorf("from %d: %v, %d extra streams held", off, err, src.held)
		}
	}
	rc, err := transfer.ReadAhead(newParallel(content, 3)).Open(t.Context(), d, 5, 10<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, content[5:5+10<<20]) {
		t.Errorf("a part: %d bytes, %v", len(got), err)
	}
}

func TestReadAheadAbandoned(t *testing.T) {
	content, d := large(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	src := newParallel(content, 4)
	r := image.NewReader(ctx, transfer.ReadAhead(src), d)
	if _, err := io.ReadFull(r, make([]byte, 5<<20)); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	cancel(stop)
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, stop) {
		t.Errorf("%v, want %v", err, stop)
	}
	if err := r.Close(); err != nil || src.held != 0 {
		t.Errorf("%v, %d extra streams held", err, src.held)
	}
}

// A source without extra streams is left as it is.
func TestReadAheadWithoutExtraStreams(t *testing.T) {
	content, d := large(t)
	src := &transfertest.Source{Content: content}
	for i, given := range []image.Source{src, &image.MemorySource{Next: src},
		&image.MemorySource{Next: &image.MemorySource{Next: src}}} {
		r := image.NewReader(t.Context(), transfer.ReadAhead(given), d)
		if n, err := io.Copy(io.Discard, r); n != d.Size || err != nil || len(src.Opened()) != i+1 {
			t.Errorf("%d bytes, %v, opened at %v", n, err, src.Opened())
		}
		r.Close()
	}
}

// steady is a reader with a pace: a chunk each millisecond.
type steady struct {
	io.Reader
	chunk int
}

func (s steady) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.Reader.Read(p[:min(len(p), s.chunk)])
}

// One stream is enough where it is fast; a slow one gets others beside it.
func TestReadAheadJudges(t *testing.T) {
	content, d := large(t)
	for name, c := range map[string]struct {
		chunk       int
		least, most int
	}{
		"fast": {256 << 10, 1, 5},
		"slow": {8 << 10, 20, 100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newParallel(content, 8)
				src.Always = func(rest []byte) (io.Reader, error) { return steady{bytes.NewReader(rest), c.chunk}, nil }
				r := image.NewReader(t.Context(), transfer.ReadAhead(src), d)
				defer r.Close()
				n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 256<<10))
				if n != d.Size || err != nil || src.opened < c.least || src.opened > c.most || src.held != 0 {
					t.Errorf("%d bytes, %v, opened %d times, %d extra streams held", n, err, src.opened, src.held)
				}
			})
		})
	}
}

// shape is a farSource that has not been asked yet.
type shape struct {
	limit, rate, warmUp int
	begins              time.Duration
}

func (s shape) source() *farSource {
	return &farSource{limit: s.limit, rate: s.rate, warmUp: s.warmUp, begins: s.begins}
}

// Where streams bring more than the reader takes, a few large parts will do. Where it waits for them, many
// small ones bring more.
func TestReadAheadGrows(t *testing.T) {
	content := bytes.Repeat([]byte("drayage "), 20<<20)
	d := v1.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
	for name, c := range map[string]struct {
		far    shape
		reader int // bytes that the reader takes in a millisecond
		least  int // requests
		most   int
		time   time.Duration
	}{
		"nginx with limit_rate 20m": {shape{limit: 20 << 20, rate: fastRate, begins: time.Millisecond},
			256 << 10, 10, 60, 950 * time.Millisecond},
		"slow, then fast": {shape{rate: slowRate, warmUp: 4 << 20}, 256 << 10, 10, 60, 900 * time.Millisecond},
		"a slow reader":   {shape{rate: 20_000}, 64 << 10, 10, 180, 2900 * time.Millisecond},
		"an eager reader": {shape{rate: 20_000}, 4 << 20, 120, 180, 690 * time.Millisecond},
		"8 MB/s each":     {shape{rate: slowRate}, 256 << 10, 120, 180, 1200 * time.Millisecond},
		"20 MB/s each":    {shape{rate: 20_000}, 256 << 10, 60, 180, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			asked := c.most + 1
			for range 3 { // which goroutine goes first makes a difference: the best run counts
				synctest.Test(t, func(t *testing.T) {
					src := c.far.source()
					src.content, src.free = content, make(chan struct{}, 32)
					r := image.NewReader(t.Context(), transfer.ReadAhead(src), d)
					defer r.Close()
					began := time.Now()
					n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, steady{r, c.reader}, make([]byte, c.reader))
					if took := time.Since(began); n != d.Size || err != nil || took > c.time {
						t.Errorf("%d bytes, %v, in %v", n, err, took)
					}
					asked = min(asked, len(src.asked))
				})
				if asked <= c.most {
					break
				}
			}
			if asked < c.least || asked > c.most {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}
