package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/marks"
	"drayage/internal/transfer"
	tt "drayage/internal/transfertest"
	"drayage/internal/verify"
)

func TestFill(t *testing.T) {
	content, desc := tt.Blob(3000)
	wrong := bytes.Clone(content)
	wrong[5] ^= 1
	for _, c := range []struct {
		name   string
		held   []byte // what an earlier try has left
		tries  []tt.Try
		always tt.Try
		err    error
		keep   int64
		opened []int64
	}{
		{"from nothing", nil, nil, nil, nil, 3000, []int64{0}},
		{"from a prefix", content[:1000], nil, nil, nil, 3000, []int64{1000}},
		{"from all but a byte", content[:2999], nil, nil, nil, 3000, []int64{2999}},
		{"from everything", content, nil, nil, nil, 3000, []int64{}},
		{"from a wrong prefix", wrong[:1000], nil, nil, nil, 3000, []int64{1000, 0}},
		{"from everything, wrong", wrong, nil, nil, nil, 3000, []int64{0}},
		{"from more than the blob", append(slices.Clone(content), 'x'), nil, nil, nil, 3000, []int64{0}},
		{"from zeros, as a power cut leaves them", make([]byte, 2000), nil, nil, nil, 3000, []int64{2000, 0}},
		{"source wrong once", nil, tt.Repeat(1, tt.Flip(9)), nil, nil, 3000, []int64{0, 0}},
		{"source too long once", content[:10], tt.Repeat(1, tt.Long("x")), nil, nil, 3000, []int64{10, 0}},
		{"source too short once", nil, tt.Repeat(1, tt.Short(1)), nil, nil, 3000, []int64{0, 0}},
		{"source wrong always", nil, nil, tt.Flip(9), verify.ErrMismatch, 0, []int64{0, 0}},
		{"source too long always", nil, nil, tt.Endless, verify.ErrMismatch, 0, []int64{0, 0}},
		{"source too short always", nil, nil, tt.Short(1), verify.ErrMismatch, 0, []int64{0, 0}},
		{"wrong prefix, and a source that is wrong", wrong[:10], nil, tt.Flip(9), verify.ErrMismatch, 0,
			[]int64{10, 0}},
		{"break", content[:10], tt.Repeat(1, tt.Break(90)), nil, nil, 3000, []int64{10, 100}},
		{"broken for good", content[:10], tt.Repeat(1, tt.Fail(90, errGone)), nil, errGone, 100, []int64{10}},
		{"broken before the first new byte", content[:10], tt.Repeat(1, tt.Refuse(errGone)), nil, errGone, 10,
			[]int64{10}},
		{"broken for good in the second round", wrong[:10], []tt.Try{nil, tt.Fail(90, errGone)}, nil, errGone, 90,
			[]int64{10, 0}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &file{data: slices.Clone(c.held), held: marks.Prefix(int64(len(c.held)))}
			src := &tt.Source{Content: content, Tries: c.tries, Always: c.always}
			var reports []int64
			keep, err := transfer.Fill(t.Context(), src, desc, f, func(n int64) { reports = append(reports, n) })
			if !errors.Is(err, c.err) || keep != c.keep {
				t.Errorf("%s: keep %d, %v; want %d, %v", c.name, keep, err, c.keep, c.err)
			}
			if err == nil && !bytes.Equal(f.data[:3000], content) {
				t.Errorf("%s: the file is not the content", c.name)
			}
			if !bytes.Equal(f.data[:keep], content[:keep]) {
				t.Errorf("%s: the %d bytes to keep are not the content's", c.name, keep)
			}
			if diff := cmp.Diff(c.opened, src.Opened()); diff != "" {
				t.Errorf("%s: opened at (-want +got):\n%s", c.name, diff)
			}
			if len(reports) == 0 || err == nil && reports[len(reports)-1] != 3000 || slices.Max(reports) > 3000 {
				t.Errorf("%s: reported %v", c.name, reports)
			}
		})
	}
}

func TestFillOfNothing(t *testing.T) {
	for _, held := range []string{"", "left over"} {
		keep, err := transfer.Fill(t.Context(), &tt.Source{}, tt.Describe(nil),
			&file{[]byte(held), marks.Prefix(int64(len(held)))}, nil)
		if keep != 0 || err != nil {
			t.Errorf("held %q: %d, %v", held, keep, err)
		}
	}
}

// A file can be shorter than its owner believes; the gap must not be taken for content.
func TestFillDoesNotTrustHeld(t *testing.T) {
	content, desc := tt.Blob(3000)
	f := &file{slices.Clone(content[:100]), marks.Prefix(500)}
	keep, err := transfer.Fill(t.Context(), &tt.Source{Content: content}, desc, f, nil)
	if err != nil || keep != 3000 || !bytes.Equal(f.data, content) {
		t.Errorf("keep %d, %v; content right: %v", keep, err, bytes.Equal(f.data, content))
	}
}

// full is a disk that takes only so much.
type full struct {
	file
	room int64
}

var errFull = errors.New("no space left on device")

func (f *full) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.room {
		return 0, errFull
	}
	return f.file.WriteAt(p, off)
}

func TestFillStopsAtAFullDisk(t *testing.T) {
	content, desc := tt.Blob(1 << 20)
	src := &tt.Source{Content: content}
	f := &full{room: 700 << 10}
	keep, err := transfer.Fill(t.Context(), src, desc, f, nil)
	if !errors.Is(err, errFull) || len(src.Opened()) != 1 {
		t.Errorf("%v after %d openings: a full disk is no reason to fetch again", err, len(src.Opened()))
	}
	if keep == 0 || keep > f.room || !bytes.Equal(f.data[:keep], content[:keep]) {
		t.Errorf("keep %d", keep)
	}
}

func TestFillStopsWithItsContext(t *testing.T) {
	content, desc := tt.Blob(3000)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the user has gone")
	report := func(n int64) {
		if n >= 100 {
			cancel(reason)
		}
	}
	f := &file{}
	src := &tt.Source{Content: content, Wrap: tt.Slowly}
	synctest.Test(t, func(t *testing.T) {
		keep, err := transfer.Fill(ctx, src, desc, f, report)
		if err != reason || keep != 100 || !bytes.Equal(f.data, content[:100]) {
			t.Errorf("keep %d of %d, %v", keep, len(f.data), err)
		}
	})
}

var _ = []image.Source{&image.MemorySource{}, (*tt.Source)(nil)}

// impatient ends a context when its prefix is read.
type impatient struct {
	file
	stop context.CancelFunc
}

func (f *impatient) ReadAt(p []byte, off int64) (int, error) {
	f.stop()
	return f.file.ReadAt(p[:min(1000, len(p))], off)
}

// Who loses patience while a prefix is hashed has the prefix still.
func TestFillKeepsAPrefixThatWasNotHashed(t *testing.T) {
	content, desc := large(t)
	for name, src := range map[string]image.Source{"one stream": &tt.Source{Content: content},
		"extra streams": newParallel(content, 4)} {
		ctx, stop := context.WithCancel(t.Context())
		f := &impatient{file{slices.Clone(content[:5000]), marks.Prefix(5000)}, stop}
		keep, err := transfer.Fill(ctx, src, desc, f, nil)
		if keep != 5000 || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: keep %d of 5000, %v", name, keep, err)
		}
	}
}

// A prefix that cannot be read is worth nothing.
func TestFillDropsAPrefixThatCannotBeRead(t *testing.T) {
	content, desc := large(t)
	for name, src := range map[string]image.Source{"one stream": &tt.Source{Content: content},
		"extra streams": newParallel(content, 4)} {
		keep, err := transfer.Fill(t.Context(), src, desc, &unreadable{file{held: marks.Prefix(5000)}}, nil)
		if keep != 0 || !errors.Is(err, errGone) {
			t.Errorf("%s: keep %d, %v", name, keep, err)
		}
	}
}

type unreadable struct{ file }

func (*unreadable) ReadAt([]byte, int64) (int, error) { return 0, errGone }

func TestSection(t *testing.T) {
	content := []byte("0123456789")
	for _, c := range []struct {
		offset, length int64
		want           string
	}{
		{0, image.ToEnd, "0123456789"}, {4, image.ToEnd, "456789"}, {10, image.ToEnd, ""}, {11, image.ToEnd, ""},
		{0, 0, ""}, {0, 3, "012"}, {8, 2, "89"}, {8, 3, "89"}, {8, 1 << 62, "89"}, {1 << 62, 1 << 62, ""}, {-1, 2,
			"01"},
	} {
		d := v1.Descriptor{Digest: "sha256:x"}
		m := &image.MemorySource{Content: map[digest.Digest][]byte{d.Digest: content}}
		rc, err := m.Open(t.Context(), d, c.offset, c.length)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := got.ReadFrom(rc); err != nil || got.String() != c.want {
			t.Errorf("Open(%d, %d) = %q, %v; want %q", c.offset, c.length, got.String(), err, c.want)
		}
	}
}

func TestMemoryAsksTheNext(t *testing.T) {
	content, desc := tt.Blob(10)
	_, other := tt.Blob(11)
	m := &image.MemorySource{Next: &image.MemorySource{Content: map[digest.Digest][]byte{desc.Digest: content}}}
	if got, err := image.ReadAll(t.Context(), m, desc, 10); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := image.ReadAll(t.Context(), m, other, 100); err == nil {
		t.Error("found what is nowhere")
	}
}
