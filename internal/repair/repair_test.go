package repair

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestDamage tries every kind of damage that can be mended.
func TestDamage(t *testing.T) {
	w := newWorld(t, 4, 3, 2)
	for name, c := range map[string]struct {
		spoil func()
		more  map[string]string // that is left
	}{
		"nothing":              {spoil: func() {}},
		"two volumes missing":  {spoil: func() { w.remove(0); w.remove(2) }},
		"the last one missing": {spoil: func() { w.remove(3) }},
		"parity missing":       {spoil: func() { w.remove(4); w.remove(5) }},
		"one of each missing":  {spoil: func() { w.remove(1); w.remove(5) }},
		"a block":              {spoil: func() { w.hurt(1, 1) }},
		"blocks in all volumes": {spoil: func() {
			w.hurt(0, 0)
			w.hurt(1, 0)
			w.hurt(2, 1)
			w.hurt(4, 1)
			w.hurt(5, 2)
		}},
		"a block, a volume missing": {spoil: func() { w.hurt(0, 0); w.hurt(1, 1); w.hurt(4, 2); w.remove(2) }},
		"copied short":              {spoil: func() { w.write("x.tar.002", w.files["x.tar.002"][:block+17]) }},
		"too long":                  {spoil: func() { w.write("x.tar.002", w.files["x.tar.002"]+"more") }},
		"too long and bad": {spoil: func() {
			w.write("x.tar.002", w.files["x.tar.002"]+"more")
			w.hurt(1, 1)
		}},
		"swapped": {spoil: func() {
			w.move("x.tar.001", "tmp")
			w.move("x.tar.002", "x.tar.001")
			w.move("tmp", "x.tar.002")
		}},
		"in a circle, one bad": {spoil: func() {
			w.hurt(2, 1)
			w.move("x.tar.001", "tmp")
			w.move("x.tar.002", "x.tar.001")
			w.move("x.tar.003", "x.tar.002")
			w.move("x.tar.p01", "x.tar.003")
			w.move("tmp", "x.tar.p01")
		}},
		"misnamed": {spoil: func() { w.move("x.tar.001", "first"); w.move("x.tar.p02", "x (1).tar.p02") }},
		"misnamed over a missing one": {spoil: func() {
			w.remove(1)
			w.move("x.tar.001", "x.tar.002")
		}},
		"of another archive": {
			spoil: func() { w.write("x.tar.002", strings.Repeat("o", 3*block)) },
			more:  map[string]string{"x.tar.other.002": strings.Repeat("o", 3*block)},
		},
		"of another archive twice": {
			spoil: func() { w.write("x.tar.002", "o"); w.write("x.tar.other.002", "p") },
			more:  map[string]string{"x.tar.other.002": "p", "x.tar.other2.002": "o"},
		},
		"empty": {spoil: func() { w.write("x.tar.002", "") }},
		"a directory": {
			spoil: func() { w.remove(1); w.mkdir("x.tar.002") },
			more:  map[string]string{"x.tar.other.002": "d---------"},
		},
		"a link": {
			spoil: func() { w.remove(1); w.link("x.tar.001", "x.tar.002") },
			more:  map[string]string{"x.tar.other.002": "L---------"},
		},
		"twice": {
			spoil: func() { w.write("copy", w.files["x.tar.002"]) },
			more:  map[string]string{"copy": w.files["x.tar.002"]},
		},
		"half rebuilt": {spoil: func() {
			w.remove(1)
			w.write("x.tar.partial.002", w.files["x.tar.002"][:block]+strings.Repeat("x", 3*block))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			w.restore()
			c.spoil()
			if _, err := w.repair(Options{}); err != nil {
				t.Fatal(err)
			}
			w.wantWhole(c.more)
			if r, err := w.repair(Options{}); err != nil || !r.Needless() {
				t.Errorf("the second time: %+v, %v", r, err)
			}
		})
	}
}

func (w *world) mkdir(name string) {
	if err := os.Mkdir(filepath.Join(w.dir, name), 0o755); err != nil {
		w.Fatal(err)
	}
}

func (w *world) link(to, name string) {
	if err := os.Symlink(to, filepath.Join(w.dir, name)); err != nil {
		w.Fatal(err)
	}
}

func TestTooMuch(t *testing.T) {
	w := newWorld(t, 4, 3, 2)
	for name, c := range map[string]struct {
		spoil  func()
		needed []int
		text   string
	}{
		"three missing": {func() { w.remove(0); w.remove(2); w.remove(5) }, []int{0},
			"x.tar.001, x.tar.003 and x.tar.p02 are bad or missing at the same place, and 2 parity volumes " +
				"make up for 2: 1 more good volume is needed"},
		"five missing": {func() {
			for i := range 5 {
				w.remove(i)
			}
		}, []int{0, 1, 2}, "3 more good volumes are needed"},
		"a stripe": {func() { w.hurt(1, 1); w.hurt(2, 1); w.hurt(5, 1) }, []int{1}, "1 more good"},
		"two stripes, one volume in both": {func() {
			w.hurt(0, 0)
			w.hurt(2, 0)
			w.hurt(4, 0)
			w.hurt(1, 1)
			w.hurt(2, 1)
			w.hurt(5, 1)
		}, []int{2}, "x.tar.001, x.tar.002, x.tar.003, x.tar.p01 and x.tar.p02 are bad"},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			w.restore()
			c.spoil()
			before := w.tree()
			r, err := w.repair(Options{})
			if !errors.Is(err, ErrTooMuch) || !strings.Contains(err.Error(), c.text) {
				t.Fatal(err)
			}
			if got := r.Lack.Needed; len(got) != len(c.needed) || got[0] != c.needed[0] {
				t.Errorf("needed: %v, want %v", got, c.needed)
			}
			w.same(w.tree(), before)
			for _, i := range r.Lack.Needed {
				w.write(w.set.FileName(i), w.files[w.set.FileName(i)])
			}
			if _, err := w.repair(Options{}); err != nil {
				t.Errorf("with what was needed: %v", err)
			}
			w.wantWhole(nil)
		})
	}
}

func TestWithoutParity(t *testing.T) {
	w := newWorld(t, 3, 2, 0)
	w.move("x.tar.001", "a")
	w.move("x.tar.002", "x.tar.001")
	w.move("a", "x.tar.002")
	if _, err := w.repair(Options{}); err != nil {
		t.Fatal(err)
	}
	w.wantWhole(nil)
	w.hurt(1, 1)
	_, err := w.repair(Options{})
	want := "x.tar.002 is bad or missing, and the set has no parity volumes"
	if !errors.Is(err, ErrTooMuch) || err.Error() != want {
		t.Error(err)
	}
}

// TestRandomDamage hurts and removes volumes at random. If no row has too many bad blocks, all is mended, to
// the byte. Else everything is left as it was.
func TestRandomDamage(t *testing.T) {
	for _, s := range []struct{ n, blocks, k int }{{2, 2, 1}, {3, 3, 2}} {
		w := newWorld(t, s.n, s.blocks, s.k)
		rng := rand.New(rand.NewPCG(9, uint64(s.n)))
		mended, left := 0, 0
		for range 12 {
			w.restore()
			w.spoil(rng)
			before := w.tree()
			worst := 0
			rows := make([]int, s.blocks)
			for _, f := range w.look() {
				for b, bad := range f.Bad {
					if bad {
						rows[b]++
						worst = max(worst, rows[b])
					}
				}
			}
			_, err := w.repair(Options{})
			switch {
			case worst > s.k && errors.Is(err, ErrTooMuch):
				left++
				w.same(w.tree(), before)
			case worst <= s.k && err == nil:
				mended++
				w.wantWholeBut(".other.")
			default:
				t.Fatalf("%+v: %d bad in a row: %v", s, worst, err)
			}
		}
		t.Logf("%+v: %d mended, %d left", s, mended, left)
		if mended == 0 || left == 0 {
			t.Errorf("%+v: %d mended, %d left", s, mended, left)
		}
	}
}

// spoil hurts, cuts, removes some volumes.
func (w *world) spoil(rng *rand.Rand) {
	for i := range w.set.Len() {
		switch rng.IntN(6) {
		case 0:
			w.hurt(i, rng.IntN(w.set.BlocksOf(i)))
		case 1:
			name := w.set.FileName(i)
			w.write(name, w.files[name][:rng.IntN(len(w.files[name]))])
		case 2:
			if rng.IntN(2) == 0 {
				w.remove(i)
			}
		}
	}
}

// wantWholeBut ignores files whose name has a part.
func (w *world) wantWholeBut(part string) {
	w.Helper()
	got := w.tree()
	for name := range got {
		if strings.Contains(name, part) {
			delete(got, name)
		}
	}
	w.same(got, w.files)
}

func TestIntoAnotherDirectory(t *testing.T) {
	w := newWorld(t, 4, 3, 2)
	w.remove(0)
	w.hurt(1, 1)
	w.write("x.tar.003", w.files["x.tar.003"]+"more")
	before := w.tree()
	out := t.TempDir()
	if _, err := w.repair(Options{Out: out}); err != nil {
		t.Fatal(err)
	}
	w.same(w.tree(), before)
	want := map[string]string{"x.tar.set": w.files["x.tar.set"]}
	for i := range 3 {
		want[w.set.FileName(i)] = w.files[w.set.FileName(i)]
	}
	w.same(tree(t, out), want)
}

// A sector that cannot be read makes its block bad, and no other.
func TestUnreadableSector(t *testing.T) {
	w := newWorld(t, 1, 3, 0)
	f, err := os.Open(w.path(0))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	bad, err := check(t.Context(), w.set, 0, sick{f, block + 5000}, nil)
	if err != nil || !slices.Equal(bad, []bool{false, true, false}[:len(bad)]) {
		t.Errorf("%v, %v", bad, err)
	}
	if bad, err = check(t.Context(), w.set, 0, sick{f, block + 5000}, []bool{true, false, true}); err != nil ||
		slices.Contains(bad, true) {
		t.Errorf("%v, %v", bad, err)
	}
}

// sick is a file on a medium with a bad sector.
type sick struct {
	*os.File
	at int64
}

func (s sick) ReadAt(p []byte, off int64) (int, error) {
	if off <= s.at && s.at < off+int64(len(p)) {
		n, _ := s.File.ReadAt(p[:s.at-off], off)
		return n, syscall.EIO
	}
	return s.File.ReadAt(p, off)
}
