package transfer_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"drayage/internal/marks"
	"drayage/internal/transfer"
	"drayage/internal/transfertest"
)

const block = 64 << 10

// markedFile is a file of some content, with its marks. After so many bytes have been written it behaves as
// if the process were killed.
type markedFile struct {
	*marks.Part
	set     *marks.Set
	file    *os.File
	t       *testing.T
	content []byte // nil: the source gives out something else

	holding   []marks.Span
	mu        sync.Mutex
	left      int64 // bytes until the kill
	wrote     int64
	forgotten int
}

var errKilled = errors.New("killed")

// newFile is a file in which parts of the content stand.
func newFile(t *testing.T, content []byte, held []marks.Span) *markedFile {
	t.Helper()
	var files [2]*os.File
	for i := range files {
		f, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files[i] = f
	}
	set, err := marks.New(files[1], nil, int64(len(content)))
	if err == nil {
		err = set.Begin()
	}
	if err != nil {
		t.Fatal(err)
	}
	m := &markedFile{set: set, file: files[0], t: t, content: content, left: 1 << 40}
	for _, s := range marks.Clip(held, int64(len(content))) {
		if s.End < s.Off {
			continue
		}
		if _, err := m.file.WriteAt(content[s.Off:s.End], s.Off); err != nil {
			t.Fatal(err)
		}
	}
	m.again()
	m.holding = held
	return m
}

// again is what the next run sees of the file.
func (m *markedFile) again() *markedFile {
	m.Part = m.set.Part(0, m.file, 0)
	m.holding = m.Part.Held()
	return m
}

// Held implements transfer.File.
func (m *markedFile) Held() []marks.Span { return m.holding }

// WriteAt implements io.WriterAt.
func (m *markedFile) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left -= int64(len(p)); m.left < 0 {
		return 0, errKilled
	}
	m.wrote += int64(len(p))
	return m.file.WriteAt(p, off)
}

// Mark implements transfer.File. A mark is never ahead of what is there.
func (m *markedFile) Mark(from, to int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left < 0 {
		return errKilled
	}
	from = from / block * block
	if m.content != nil {
		got := make([]byte, to-from)
		if _, err := m.file.ReadAt(got, from); err != nil || !bytes.Equal(got, m.content[from:to]) {
			m.t.Errorf("%d to %d is marked and not there: %v", from, to, err)
		}
	}
	return m.Part.Mark(from, to)
}

// Forget implements transfer.File.
func (m *markedFile) Forget() error {
	m.forgotten++
	return m.Part.Forget()
}

// Killed at any moment, what is written is known but for a bounded part of each stream, and what is known
// is not asked for again.
func TestKilledStreams(t *testing.T) {
	content, d := large(t)
	const extra = 6
	random := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		after := random.Int64N(size)
		t.Run(fmt.Sprintf("after %d", after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := newParallel(content, extra)
				src.Wrap = paced
				f := newFile(t, content, nil)
				f.left = after
				if _, err := transfer.Fill(t.Context(), src, d, f, nil); !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				held := f.again().Held()
				if lost := f.wrote - marks.Sum(held); lost >= (extra+1)<<20 {
					t.Errorf("%d bytes of %d are lost", lost, f.wrote)
				}
				src.brought, f.left = 0, 1<<40
				var begun atomic.Int64
				n, err := transfer.Fill(t.Context(), src, d, f, func(n int64) { begun.CompareAndSwap(0, n) })
				if err != nil || n != size || marks.Sum(held) > 0 && begun.Load() != marks.Sum(held) {
					t.Errorf("%d, from %d: %v", n, begun.Load(), err)
				}
				// a stream that ends early may have read a little too much
				if more := src.brought - (size - marks.Sum(held)); more < 0 || more > 40*block {
					t.Errorf("%d bytes too many were read; %v was known", more, held)
				}
				checkContent(t, f)
			})
		})
	}
}

func checkContent(t *testing.T, f *markedFile) {
	t.Helper()
	got := make([]byte, size)
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, f.content) {
		t.Errorf("the content is wrong, %v", err)
	}
}

// paced is a stream of 8 MiB a second.
func paced(r io.Reader) io.Reader { return pacedReader{r} }

type pacedReader struct{ io.Reader }

// Read implements io.Reader.
func (p pacedReader) Read(b []byte) (int, error) {
	time.Sleep(4 * time.Millisecond)
	return p.Reader.Read(b[:min(len(b), 32<<10)])
}

// One stream marks what it writes too, and a slow one does not wait for a MiB.
func TestKilledStream(t *testing.T) {
	content, d := large(t)
	synctest.Test(t, func(t *testing.T) {
		src := &transfertest.Source{Content: content, Wrap: paced}
		f := newFile(t, content, nil)
		f.left = 900 << 10
		if _, err := transfer.Fill(t.Context(), src, d, f, nil); !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		if held := f.again().Held(); len(held) != 1 || held[0].Off != 0 || held[0].End < 400<<10 {
			t.Errorf("%v is known of %d", held, f.wrote)
		}
	})
}

// What is marked and wrong is forgotten, and everything is fetched once more.
func TestMarksThatPromiseTooMuch(t *testing.T) {
	content, d := large(t)
	for name, held := range map[string][]marks.Span{
		"all":       marks.Prefix(size),
		"the end":   {{Off: 20 << 20, End: size}},
		"a hole":    {{Off: 0, End: 2 << 20}, {Off: 3 << 20, End: 4 << 20}},
		"the start": marks.Prefix(1 << 20),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFile(t, content, held)
			end := marks.End(held)
			if _, err := f.file.WriteAt(make([]byte, 100), end-200); err != nil {
				t.Fatal(err)
			}
			n, err := transfer.Fill(t.Context(), newParallel(content, 3), d, f, nil)
			if err != nil || n != size || f.forgotten != 1 {
				t.Errorf("%d, forgotten %d times: %v", n, f.forgotten, err)
			}
			if all := f.again().Held(); !slices.Equal(all, marks.Prefix(size)) {
				t.Errorf("%v is marked", all)
			}
			checkContent(t, f)
		})
	}
	t.Run("more than the file has", func(t *testing.T) {
		f := newFile(t, content, marks.Prefix(5<<20))
		f.holding = []marks.Span{{Off: 0, End: 6 << 20}, {Off: 20 << 20, End: size}}
		if n, err := transfer.Fill(t.Context(), newParallel(content, 3), d, f, nil); err != nil || n != size {
			t.Errorf("%d, %v", n, err)
		}
		checkContent(t, f)
	})
}

// What the disk does not give back is forgotten, so that the next try does not meet it again.
func TestForgetWhatCannotBeRead(t *testing.T) {
	content, d := large(t)
	held := []marks.Span{{Off: 0, End: 1 << 20}, {Off: 4 << 20, End: 9 << 20}}
	for name, bad := range map[string]int64{"in the beginning": 1000, "beyond": 5 << 20} {
		f := &spoilt{newFile(t, content, held), bad}
		if _, err := transfer.Fill(t.Context(), newParallel(content, 2), d, f, nil); !errors.Is(err, errGone) ||
			f.forgotten != 1 {
			t.Errorf("%s: forgotten %d times, %v", name, f.forgotten, err)
		}
	}
}

// spoilt is a file with a bad byte.
type spoilt struct {
	*markedFile
	bad int64
}

// ReadAt implements io.ReaderAt.
func (s *spoilt) ReadAt(p []byte, off int64) (int, error) {
	if off <= s.bad && s.bad < off+int64(len(p)) {
		return 0, errGone
	}
	return s.markedFile.ReadAt(p, off)
}
