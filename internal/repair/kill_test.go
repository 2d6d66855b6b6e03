package repair

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
)

var errKilled = errors.New("killed")

// TestKilledAnywhere ends a repair before each of its changes of files, in the middle of some writes, and at
// each of them again in the runs that go on. No block that was good becomes bad, and the last run ends whole.
func TestKilledAnywhere(t *testing.T) {
	w := newWorld(t, 3, 2, 2)
	spoil := func() {
		w.restore()
		w.hurt(0, 1)
		w.write("x.tar.002", "of another archive")
		w.write("x.tar.p01", w.files["x.tar.p01"]+"more")
		w.move("x.tar.003", "tmp")
		w.move("x.tar.p02", "x.tar.003")
		w.move("tmp", "x.tar.p02")
	}
	for stop := 0; ; stop++ {
		spoil()
		ended := false
		for again := range 60 {
			before := w.look()
			k := &killer{left: stop + again*3, torn: stop%2 == 1}
			r, err := New(w.set, before, Options{Dir: w.dir, change: k.change})
			if err != nil {
				t.Fatal(err)
			}
			err = r.Run(t.Context(), "", nil)
			if err == nil {
				ended = true
				if again == 0 {
					t.Logf("%d steps: %v", stop, k.met)
				}
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatalf("killed at step %d: %v", stop, err)
			}
			if stop > 5 && again > 0 {
				continue
			}
			w.noWorse(before, w.look(), fmt.Sprint(stop, k.met))
		}
		if !ended {
			t.Fatalf("killed at step %d: no end", stop)
		}
		w.wantWhole(map[string]string{"x.tar.other.002": "of another archive"})
		k := &killer{left: stop}
		spoil()
		r, err := New(w.set, w.look(), Options{Dir: w.dir, change: k.change})
		if err != nil {
			t.Fatal(err)
		}
		if r.Run(t.Context(), "", nil) == nil {
			if stop < 10 {
				t.Errorf("only %d steps", stop)
			}
			for _, op := range []string{"open", "write", "sync", "truncate", "rename"} {
				if !slices.Contains(k.met, op) {
					t.Errorf("no %s among the steps", op)
				}
			}
			return
		}
	}
}

// killer ends a repair when so many steps have been done. It can write half of what is written last.
type killer struct {
	left int
	torn bool
	met  []string
}

func (k *killer) change(s step) error {
	k.met = append(k.met, s.op)
	if k.left--; k.left >= 0 {
		return nil
	}
	if k.torn && s.op == "write" && k.left == -1 {
		if _, err := s.file.WriteAt(s.p[:len(s.p)/2], s.off); err != nil {
			return err
		}
	}
	return errKilled
}

// noWorse fails if a block that was good is so nowhere any more.
func (w *world) noWorse(before, after []Found, at string) {
	w.Helper()
	for i, f := range before {
		for b := range f.Bad {
			if !f.Bad[b] && after[i].Bad[b] {
				w.Errorf("%s: block %d of volume %d was good", at, b, i)
			}
		}
	}
	if w.Failed() {
		entries, _ := os.ReadDir(w.dir)
		w.Fatal(entries)
	}
}
