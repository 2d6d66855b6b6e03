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
	for total, want := range map[int64]int64{0: block, 1: block, 40 << 30: block, 64<<30 - 1: block,
		64 << 30: 2 * block, 1 << 50: 1 << 31} {
		f := newFile(t)
		s, err := marks.New(f, nil, total)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Part(0, nil, 0).Block(); got != want {
			t.Errorf("blocks of %d bytes have %d, want %d", total, got, want)
		}
		if err := s.Begin(); err != nil || !s.Found() {
			t.Errorf("%d bytes: begun and not found, %v", total, err)
		}
		if fi, err := f.Stat(); err != nil || fi.Size() > 1<<20+16 {
			t.Errorf("%d marks of %d bytes, %v", fi.Size(), total, err)
		}
	}
}

func TestMark(t *testing.T) {
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
		{"block by block", []span{{0, block}, {block, 2*block + 5}, {2*block + 5, 3 * block}},
			[]span{{0, 3 * block}}},
		{"in small steps", []span{{0, 100}, {100, block - 1}, {block - 1, block + 1}}, []span{{0, block}}},
		{"out of order", []span{{4 * block, 6 * block}, {0, block}}, []span{{0, block}, {4 * block, 6 * block}}},
		{"the end, which is no whole block", []span{{9 * block, size}}, []span{{9 * block, size}}},
		{"all", []span{{0, size}}, []span{{0, size}}},
		{"all but the last byte", []span{{0, size - 1}}, []span{{0, 10 * block}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFile(t)
			set, err := marks.New(f, []byte("plan"), 100, size)
			if err == nil {
				err = set.Begin()
			}
			if err != nil {
				t.Fatal(err)
			}
			m := set.Part(1, nil, 0)
			for _, s := range c.marked {
				if err := m.Mark(s.Off, s.End); err != nil {
					t.Fatal(err)
				}
			}
			m = set.Part(1, nil, 0)
			if got := m.Held(); !slices.Equal(got, c.want) || set.Sum() != marks.Sum(c.want) ||
				set.Part(0, nil, 0).Held() != nil {
				t.Errorf("%v, want %v", got, c.want)
			}
			if !set.Found() {
				t.Error("the marks are not found again")
			}
			if err := m.Trim(5*block + 1); err != nil || !slices.Equal(m.Held(), marks.Clip(c.want, 5*block)) {
				t.Errorf("trimmed to %v, %v", m.Held(), err)
			}
			if got := set.Part(1, nil, 0).Held(); !slices.Equal(got, m.Held()) {
				t.Errorf("trimmed to %v, and %v is marked", m.Held(), got)
			}
			if err := m.Forget(); err != nil || set.Sum() != 0 {
				t.Errorf("%d bytes are not forgotten, %v", set.Sum(), err)
			}
		})
	}
}

// Marks that cannot be written are an error.
func TestMarkFails(t *testing.T) {
	f := newFile(t)
	set, err := marks.New(f, nil, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	m := set.Part(0, nil, 0)
	if err := m.Mark(0, block-1); err != nil {
		t.Errorf("something was written for less than a block: %v", err)
	}
	if err := m.Mark(0, 1<<30); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// A part keeps to its place.
func TestPart(t *testing.T) {
	f := newFile(t)
	if _, err := f.WriteString("0123456789"); err != nil {
		t.Fatal(err)
	}
	p := marks.NewPart(f, 2, 5, marks.Prefix(3))
	if _, err := p.WriteAt([]byte("abc"), 2); err != nil {
		t.Error(err)
	}
	for _, off := range []int64{-1, 3, 1 << 62} {
		if _, err := p.WriteAt([]byte("xyz"), off); err == nil {
			t.Errorf("written at %d", off)
		}
	}
	got := make([]byte, 10)
	if n, err := p.ReadAt(got, 1); string(got[:n]) != "3abc" || err != io.EOF {
		t.Errorf("%q, %v", got[:n], err)
	}
	if err := errors.Join(p.Mark(0, 5), p.Forget()); err != nil || p.Block() != 1 ||
		!slices.Equal(p.Held(), marks.Prefix(3)) {
		t.Error(err)
	}
}

// A plan whose marks would have no end is refused.
func TestMarksAreBounded(t *testing.T) {
	for name, sizes := range map[string][]int64{
		"sizes": {1 << 50, 1 << 50, 1 << 50, 1 << 50, 1}, "below zero": {-1}, "parts": make([]int64, 1<<20+1),
	} {
		if _, err := marks.New(nil, nil, sizes...); err == nil {
			t.Errorf("%s: taken", name)
		}
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
	}{{nil, true}, {all, true}, {[]span{{0, 51}}, false}, {[]span{{-1, 5}}, false}, {[]span{{5, 5}},
		false}, {[]span{{5, 4}}, false}, {[]span{{0, 5}, {5, 6}}, false}, {[]span{{9, 10}, {0, 5}}, false}} {
		if marks.Ordered(c.spans, 50) != c.ok {
			t.Errorf("%v are in order: %v", c.spans, !c.ok)
		}
	}
}
