package layout_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/durable"
	"drayage/internal/marks"
)

// parallelSource is a source of several streams that tells what was asked for.
type parallelSource struct {
	content []byte
	fail    int64 // here every stream ends with an error; 0: none does, -1: no stream begins

	mu    sync.Mutex
	asked []marks.Span // in order, with what follows each other as one
}

func (l *parallelSource) ExtraStream() func() { return nil }

func (l *parallelSource) Open(_ context.Context, _ v1.Descriptor, offset, length int64) (io.ReadCloser,
	error) {
	end := int64(len(l.content))
	if length >= 0 {
		end = min(end, offset+length)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != 0 && offset >= l.fail {
		return nil, errGone
	}
	var broken io.Reader = bytes.NewReader(nil)
	rest := l.content[offset:end]
	if l.fail > 0 && l.fail < end {
		rest, broken = l.content[offset:l.fail], iotest.ErrReader(errGone)
	}
	if n := len(l.asked); n > 0 && l.asked[n-1].End == offset {
		l.asked[n-1].End = end // how much is asked for at once depends on the pace
	} else {
		l.asked = append(l.asked, marks.Span{Off: offset, End: end})
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(rest), broken)), nil
}

// large is a blob that is fetched in ranges.
func large() ([]byte, v1.Descriptor) {
	content := make([]byte, 20<<20+99)
	rand.NewChaCha8([32]byte{3}).Read(content)
	return content, v1.Descriptor{Digest: digest.FromBytes(content), Size: int64(len(content))}
}

// mark is the mark of a blob of so many bytes as drayage writes it.
func mark(size int64, held ...marks.Span) []byte {
	raw := append([]byte("drayage marks 1\n"), make([]byte, (size+64<<10-1)/(64<<10))...)
	for _, s := range held {
		for off := s.Off; off < s.End; off += 64 << 10 {
			raw[16+off/(64<<10)] = 1
		}
	}
	return raw
}

// A partial that was written out of order when the process was killed is gone on with as its mark says, not
// its size.
func TestMark(t *testing.T) {
	content, d := large()
	held := []marks.Span{{Off: 0, End: 5 << 20}, {Off: 9 << 20, End: 11 << 20}, {Off: 15 << 20, End: 16 << 20}}
	for name, c := range map[string]struct {
		mark []byte
		cut  int64 // what the partial file has; 0: 16 MiB
		want []marks.Span
	}{
		"ranges": {mark: mark(d.Size, held...), want: []marks.Span{{Off: 5 << 20, End: 9 << 20},
			{Off: 11 << 20, End: 15 << 20}, {Off: 16 << 20, End: d.Size}}},
		"ranges, cut off": {mark: mark(d.Size, held...), cut: 10 << 20,
			want: []marks.Span{{Off: 5 << 20, End: 9 << 20}, {Off: 10 << 20, End: d.Size}}},
		"nothing": {mark: mark(d.Size)},
		"a hole": {mark: mark(d.Size, marks.Span{Off: 0, End: 16 << 20}),
			want: []marks.Span{{Off: 16 << 20, End: d.Size}, {Off: 0, End: d.Size}}},
		// the hole makes what it says wrong: everything again
		"short": {mark: mark(d.Size, held...)[:16+5<<4]},
		"long":  {mark: append(mark(d.Size, held...), 1, 1, 1)},
		"torn":  {mark: []byte{1, 2}},
		"without its header": {mark: make([]byte, 400), cut: 5<<20 + 7,
			want: []marks.Span{{Off: 5 << 20, End: d.Size}}},
		"none": {},
	} {
		t.Run(name, func(t *testing.T) {
			dir := create(t, t.TempDir())
			partial := filepath.Join(dir.Path(), ".drayage", "partial", "sha256-"+d.Digest.Encoded())
			holed := bytes.Clone(content[:16<<20])
			clear(holed[5<<20+7 : 9<<20])
			clear(holed[11<<20 : 15<<20])
			if c.cut > 0 {
				holed = holed[:c.cut]
			}
			write(t, partial, string(holed))
			if c.mark != nil {
				write(t, partial+".mark", string(c.mark))
			}
			src := &parallelSource{content: content}
			if err := dir.Push(t.Context(), d, src, nil); err != nil {
				t.Fatal(err)
			}
			if c.want != nil && !slices.Equal(src.asked, c.want) {
				t.Errorf("asked for %v, want %v", src.asked, c.want)
			}
			if got, err := os.ReadFile(filepath.Join(dir.Path(), "blobs", "sha256",
				d.Digest.Encoded())); err != nil || !bytes.Equal(got, content) {
				t.Errorf("the blob has %d bytes, %v", len(got), err)
			}
			if left, _ := os.ReadDir(filepath.Dir(partial)); len(left) != 0 {
				t.Errorf("%s is left", left[0].Name())
			}
		})
	}
}

// What was known beyond the place where a run ends with an error is known to the next one.
func TestMarkOutlivesAnError(t *testing.T) {
	content, d := large()
	dir := create(t, t.TempDir())
	partial := filepath.Join(dir.Path(), ".drayage", "partial", "sha256-"+d.Digest.Encoded())
	write(t, partial, string(content[:16<<20]))
	write(t, partial+".mark", string(mark(d.Size, marks.Span{Off: 9 << 20, End: 16 << 20})))
	src := &parallelSource{content: content, fail: 4 << 20}
	if err := dir.Push(t.Context(), d, src, nil); !errors.Is(err, errGone) {
		t.Fatal(err)
	}
	src.fail, src.asked = 0, nil
	if err := dir.Push(t.Context(), d, src, nil); err != nil {
		t.Fatal(err)
	}
	want := []marks.Span{{Off: 4 << 20, End: 9 << 20}, {Off: 16 << 20, End: d.Size}}
	if !slices.Equal(src.asked, want) {
		t.Errorf("asked for %v, want %v", src.asked, want)
	}
}

// What a run that ends with an error has written in order is marked too.
func TestMarkAfterAnError(t *testing.T) {
	content, d := large()
	dir := create(t, t.TempDir())
	src := &parallelSource{content: content, fail: 4 << 20}
	if err := dir.Push(t.Context(), d, src, nil); !errors.Is(err, errGone) {
		t.Fatal(err)
	}
	src.fail, src.asked = 0, nil
	if err := dir.Push(t.Context(), d, src, nil); err != nil {
		t.Fatal(err)
	}
	if want := []marks.Span{{Off: 4 << 20, End: d.Size}}; !slices.Equal(src.asked, want) {
		t.Errorf("asked for %v, want %v", src.asked, want)
	}
}

// A run that ends before anything has come leaves nothing.
func TestNoMarkOfNothing(t *testing.T) {
	content, d := large()
	dir := create(t, t.TempDir())
	src := &parallelSource{content: content, fail: -1}
	if err := dir.Push(t.Context(), d, src, nil); !errors.Is(err, errGone) {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir.Path(), ".drayage", "partial")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// Something planted where the mark should be is no reason to fail.
func TestMarkPlanted(t *testing.T) {
	content, d := large()
	dir := create(t, t.TempDir())
	name := filepath.Join(dir.Path(), ".drayage", "partial", "sha256-"+d.Digest.Encoded()+".mark")
	if err := os.Mkdir(name, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := dir.Push(t.Context(), d, &parallelSource{content: content}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("it is still there")
	}
}

// Of a partial file with holes counts as being on the disk what is marked, not its size.
func TestRoomForHoles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file has no holes there unless that is asked for")
	}
	dir := create(t, t.TempDir())
	free, err := durable.Free(dir.Path())
	if err != nil || free < 0 {
		t.Skip("the file system does not tell how much is free", err)
	}
	d := v1.Descriptor{Digest: digest.FromString("x"), Size: 2*free + 1<<30}
	partial := filepath.Join(dir.Path(), ".drayage", "partial", "sha256-"+d.Digest.Encoded())
	write(t, partial, "")
	if err := os.Truncate(partial, d.Size); err != nil {
		t.Skip("no file of this size can be made here", err)
	}
	if err := dir.Room([]v1.Descriptor{d}); err != nil {
		t.Errorf("without a mark: %v", err)
	}
	block := int64(64 << 10)
	for d.Size/block >= 1<<20 {
		block *= 2
	}
	raw := append([]byte("drayage marks 1\n"), bytes.Repeat([]byte{1}, int((d.Size+block-1)/block))...)
	write(t, partial+".mark", string(raw))
	if err := dir.Room([]v1.Descriptor{d}); err != nil {
		t.Errorf("with everything marked: %v", err)
	}
	clear(raw[16:])
	write(t, partial+".mark", string(raw))
	if err := dir.Room([]v1.Descriptor{d}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("with nothing marked: %v", err)
	}
}
