package image_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/retry"
	tt "drayage/internal/transfertest"
	"drayage/internal/verify"
)

var errGone = errors.New("404 not found")

// repeat makes n openings go the same way.
func TestReader(t *testing.T) {
	content, desc := tt.Blob(3000)
	empty := tt.Describe(nil)
	for _, c := range []struct {
		name   string
		desc   v1.Descriptor
		src    *tt.Source
		err    error   // nil: the whole content arrives
		opened []int64 // nil: once, at the beginning
	}{
		{"whole", desc, &tt.Source{Content: content}, nil, nil},
		{"empty", empty, &tt.Source{}, nil, nil},
		{"breaks once", desc, &tt.Source{Content: content, Tries: tt.Repeat(1, tt.Break(1000))}, nil,
			[]int64{0, 1000}},
		{"breaks before its first byte", desc, &tt.Source{Content: content, Tries: tt.Repeat(1, tt.Break(0))}, nil,
			[]int64{0, 0}},
		{"breaks after its last byte", desc, &tt.Source{Content: content, Tries: tt.Repeat(1, tt.Break(3000))}, nil,
			nil},
		{"fails for good after its last byte", desc,
			&tt.Source{Content: content, Tries: tt.Repeat(1, tt.Fail(3000, errGone))}, nil, nil},
		{"cannot be opened at first", desc, &tt.Source{Content: content,
			Tries: tt.Repeat(2, tt.Refuse(retry.Transient(tt.ErrBroken)))}, nil, []int64{0, 0, 0}},
		{"breaks five times, moving on", desc, &tt.Source{Content: content, Tries: tt.Repeat(5, tt.Break(500))},
			nil, []int64{0, 500, 1000, 1500, 2000, 2500}},
		{"breaks for ever", desc, &tt.Source{Content: content, Always: tt.Break(0)}, tt.ErrBroken,
			[]int64{0, 0, 0, 0, 0, 0}},
		{"moves on too little", desc, &tt.Source{Content: content, Always: tt.Break(1)}, tt.ErrBroken,
			[]int64{0, 1, 2, 3, 4, 5}},
		{"fails for good", desc, &tt.Source{Content: content, Tries: tt.Repeat(1, tt.Fail(1000, errGone))}, errGone,
			nil},
		{"cannot be opened", desc, &tt.Source{Tries: tt.Repeat(1, tt.Refuse(errGone))}, errGone, nil},
		{"fails for good after a break", desc, &tt.Source{Content: content,
			Tries: []tt.Try{tt.Break(7), tt.Refuse(errGone)}}, errGone, []int64{0, 7}},
		{"wrong byte", desc, &tt.Source{Content: content, Tries: tt.Repeat(1, tt.Flip(2999))}, verify.ErrMismatch,
			nil},
		{"wrong byte behind a break", desc, &tt.Source{Content: content, Tries: []tt.Try{tt.Break(7), tt.Flip(0)}},
			verify.ErrMismatch, []int64{0, 7}},
		{"a byte too few", desc, &tt.Source{Content: content, Tries: tt.Repeat(1, tt.Short(1))}, verify.ErrMismatch,
			nil},
		{"nothing", desc, &tt.Source{}, verify.ErrMismatch, nil},
		{"a byte too many", desc, &tt.Source{Content: content, Tries: tt.Repeat(1, tt.Long("x"))},
			verify.ErrMismatch, nil},
		{"endless", desc, &tt.Source{Content: content, Tries: tt.Repeat(1, tt.Endless)}, verify.ErrMismatch, nil},
		{"endless where nothing should be", empty, &tt.Source{Always: tt.Endless}, verify.ErrMismatch, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := image.NewReader(t.Context(), c.src, c.desc)
			defer r.Close()
			got, err := io.ReadAll(r)
			if !errors.Is(err, c.err) {
				t.Errorf("%s: error %v, want %v", c.name, err, c.err)
			}
			if c.err == nil && !bytes.Equal(got, c.src.Content) {
				t.Errorf("%s: %d bytes, not the content", c.name, len(got))
			}
			if int64(len(got)) > c.desc.Size {
				t.Errorf("%s: gave out %d of %d bytes", c.name, len(got), c.desc.Size)
			}
			if c.opened == nil {
				c.opened = []int64{0}
			}
			if diff := cmp.Diff(c.opened, c.src.Opened()); diff != "" {
				t.Errorf("%s: opened at (-want +got):\n%s", c.name, diff)
			}
			if n, again := r.Read(make([]byte, 1)); n != 0 || err != nil && again != err ||
				err == nil && again != io.EOF {
				t.Errorf("%s: read once more: %d, %v", c.name, n, again)
			}
		})
	}
}

func TestReaderTakesStreamsInAnyPieces(t *testing.T) {
	content, desc := tt.Blob(2000)
	wraps := map[string]func(io.Reader) io.Reader{
		"one byte": iotest.OneByteReader, "half": iotest.HalfReader, "error with data": iotest.DataErrReader,
		"nothing at times": func(r io.Reader) io.Reader { return &hesitant{r: r} },
	}
	for name, wrap := range wraps {
		src := &tt.Source{Content: content, Wrap: wrap, Tries: []tt.Try{tt.Break(700), tt.Break(700)}}
		synctest.Test(t, func(t *testing.T) {
			if err := iotest.TestReader(image.NewReader(t.Context(), src, desc), content); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// hesitant returns nothing every other time, as io.Reader allows.
type hesitant struct {
	r io.Reader
	n int
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.n++; h.n%2 == 1 {
		return 0, nil
	}
	return h.r.Read(p)
}

func TestReaderForgetsBreaksWhenItMovesOn(t *testing.T) {
	content, desc := tt.Blob(20 << 20)
	src := &tt.Source{Content: content, Always: tt.Break(1 << 20)} // twenty breaks, a megabyte apart
	synctest.Test(t, func(t *testing.T) {
		if got, err := io.ReadAll(image.NewReader(t.Context(), src, desc)); err != nil ||
			!bytes.Equal(got, content) {
			t.Errorf("%d of %d bytes: %v", len(got), len(content), err)
		}
	})
}

func TestReaderStopsWithItsContext(t *testing.T) {
	content, desc := tt.Blob(1000)
	reason := errors.New("the user has gone")
	for name, src := range map[string]*tt.Source{
		"waiting to open again":           {Content: content, Always: tt.Break(10)},
		"source that knows no contexts":   {Content: content, Wrap: tt.Slowly},
		"source that fails at its end":    {Content: content, Wrap: tt.Slowly, Always: tt.Fail(500, errGone)},
		"source that breaks at that time": {Content: content, Wrap: tt.Slowly, Always: tt.Break(130)},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer time.AfterFunc(140*time.Millisecond, func() { cancel(reason) }).Stop()
			if _, err := io.ReadAll(image.NewReader(ctx, src, desc)); err != reason {
				t.Errorf("%s: %v, want the cause of the context", name, err)
			}
		})
	}
}

func TestReaderRefusesImpossibleDescriptors(t *testing.T) {
	content, desc := tt.Blob(10)
	for _, d := range []v1.Descriptor{
		{Digest: "sha256:../../x", Size: 10},
		{Digest: "md5:d41d8cd98f00b204e9800998ecf8427e", Size: 10},
		{Digest: desc.Digest, Size: -1},
		{},
	} {
		src := &tt.Source{Content: content}
		r := image.NewReader(t.Context(), src, d)
		if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("%v: read %d bytes, %v", d, n, err)
		}
		if _, err := r.Skip(bytes.NewReader(content)); err == nil {
			t.Errorf("%v: skipped", d)
		}
		if len(src.Opened()) > 0 {
			t.Errorf("%v: the source was asked", d)
		}
		r.Close()
	}
}

func TestReaderAfterClose(t *testing.T) {
	content, desc := tt.Blob(10)
	r := image.NewReader(t.Context(), &tt.Source{Content: content}, desc)
	if _, err := r.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 3)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("read after Close: %d, %v", n, err)
	}
}

func TestReadAll(t *testing.T) {
	content, desc := tt.Blob(1000)
	huge := desc
	huge.Size = 1 << 40
	for _, c := range []struct {
		name  string
		desc  v1.Descriptor
		limit int64
		try   tt.Try
		ok    bool
	}{
		{"exactly the limit", desc, 1000, nil, true},
		{"a byte above the limit", desc, 999, nil, false},
		{"wrong", desc, 1000, tt.Flip(1), false},
		{"endless", desc, 1000, tt.Endless, false},
		{"a terabyte announced, which must not be allocated", huge, 1 << 41, nil, false},
		{"invalid", v1.Descriptor{Digest: "x"}, 1000, nil, false},
	} {
		got, err := image.ReadAll(t.Context(), &tt.Source{Content: content, Always: c.try}, c.desc, c.limit)
		if (err == nil) != c.ok || c.ok && !bytes.Equal(got, content) || !c.ok && got != nil {
			t.Errorf("%s: %d bytes, %v", c.name, len(got), err)
		}
	}
}
