package marks_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"drayage/internal/marks"
)

const block = 64 << 10

func newFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "marks"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestBlock(t *testing.T) {
	for total, want := range map[int64]int64{0: block, 1: block, 40 << 30: block, 64<<30 - 1: block, 64 << 30: 2 * block, 1 << 50: 1 << 31} {
		got := marks.Block(total)
		if got != want {
			t.Errorf("blocks of %d bytes have %d, want %d", total, got, want)
		}
		if n := marks.New(nil, 0, total, got).Len(); n > 1<<20 {
			t.Errorf("%d marks of %d bytes", n, total)
		}
	}
}

func TestMap(t *testing.T) {
	type span = marks.Span
	const size = 10*block + 7
	for _, c := range []struct {
		name   string
		marked []span // as they are marked, one after the other
		want   []span
	}{
		{"nothing", nil, nil},
		{"less than a block", []span{{0, block - 1}}, nil},
		{"a block", []span{{0, block}}, []span{{0, block}}},
		{"block by block", []span{{0, block}, {block, 2*block + 5}, {2*block + 5, 3 * block}}, []span{{0, 3 * block}}},
		{"in small steps", []span{{0, 100}, {100, block - 1}, {block - 1, block + 1}}, []span{{0, block}}},
		{"out of order", []span{{4 * block, 6 * block}, {0, block}}, []span{{0, block}, {4 * block, 6 * block}}},
		{"the end, which is no whole block", []span{{9 * block, size}}, []span{{9 * block, size}}},
		{"all", []span{{0, size}}, []span{{0, size}}},
		{"all but the last byte", []span{{0, size - 1}}, []span{{0, 10 * block}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFile(t)
			m := marks.New(f, 100, size, block)
			for _, s := range c.marked {
				if err := m.Mark(s.Off, s.End); err != nil {
					t.Fatal(err)
				}
			}
			if got := m.Spans(); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
			if fi, err := f.Stat(); err != nil || fi.Size() > 100+11 {
				t.Errorf("the file has %d bytes, %v", fi.Size(), err)
			}
			if err := m.Forget(); err != nil || m.Spans() != nil {
				t.Errorf("%v is not forgotten, %v", m.Spans(), err)
			}
		})
	}
}

// refusing is a disk that is full.
type refusing struct{ io.ReaderAt }

var errFull = errors.New("full")

func (refusing) WriteAt([]byte, int64) (int, error) { return 0, errFull }

func TestMapOfAFullDisk(t *testing.T) {
	m := marks.New(refusing{}, 0, 1<<30, block)
	if err := m.Mark(0, block-1); err != nil {
		t.Errorf("something was written for less than a block: %v", err)
	}
	if err := m.Mark(0, 1<<30); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

func TestSpans(t *testing.T) {
	type span = marks.Span
	all := []span{{0, 10}, {20, 30}, {40, 50}}
	prefix, beyond := marks.Cut(all)
	if prefix != 10 || !slices.Equal(beyond, all[1:]) {
		t.Errorf("cut into %d and %v", prefix, beyond)
	}
	if prefix, beyond := marks.Cut(all[1:]); prefix != 0 || len(beyond) != 2 {
		t.Errorf("cut into %d and %v", prefix, beyond)
	}
	if marks.Sum(all) != 30 || marks.End(all) != 50 || marks.End(nil) != 0 {
		t.Errorf("%d bytes to %d", marks.Sum(all), marks.End(all))
	}
	for size, want := range map[int64][]span{0: nil, 20: all[:1], 25: {{0, 10}, {20, 25}}, 90: all} {
		if got := marks.Clip(all, size); !slices.Equal(got, want) {
			t.Errorf("%d: %v, want %v", size, got, want)
		}
	}
	if marks.Prefix(0) != nil || marks.Prefix(-1) != nil || !slices.Equal(marks.Prefix(10), all[:1]) {
		t.Error("a prefix is not one")
	}
	for _, c := range []struct {
		spans []span
		ok    bool
	}{{nil, true}, {all, true}, {[]span{{0, 51}}, false}, {[]span{{-1, 5}}, false}, {[]span{{5, 5}}, false}, {[]span{{5, 4}}, false}, {[]span{{0, 5}, {5, 6}}, false}, {[]span{{9, 10}, {0, 5}}, false}} {
		if marks.Ordered(c.spans, 50) != c.ok {
			t.Errorf("%v are in order: %v", c.spans, !c.ok)
		}
	}
}
