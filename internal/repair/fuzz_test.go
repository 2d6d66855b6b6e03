package repair

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"drayage/internal/volume"
)

// FuzzPlan plans the repair of volumes under any names, with any blocks bad. No rename replaces anything, and
// after all of them every volume has its name. If more is bad than can be mended, what is said to be needed
// is enough.
func FuzzPlan(f *testing.F) {
	f.Add([]byte{1, 0, 2, 3, 4}, []byte{0, 0, 0, 0, 0}, uint8(2))
	f.Add([]byte{1, 2, 3, 4, 0}, []byte{1, 2, 3, 0, 7}, uint8(1))
	f.Add([]byte{9, 8, 7, 200, 201}, []byte{7, 7, 0, 0, 1}, uint8(0))
	f.Add([]byte{4, 4, 4, 4, 4, 1}, []byte{0, 255}, uint8(3))
	f.Fuzz(func(t *testing.T, names, bad []byte, k uint8) {
		set := small(5, int(k%4))
		dir := t.TempDir()
		found := scattered(t, set, dir, names, bad)
		before := len(entries(t, dir))
		r, err := New(set, found, Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range r.Renames {
			if _, err := os.Lstat(n.To); err == nil {
				t.Fatalf("%s would be replaced: %+v", n.To, r.Renames)
			}
			if err := r.rename(n); err != nil {
				t.Fatal(err)
			}
		}
		if after := entries(t, dir); len(after) != before {
			t.Fatalf("%d files, then %v", before, after)
		}
		for i, f := range r.found {
			if f.Path == "" {
				continue
			}
			if raw, err := os.ReadFile(r.goal(i)); err != nil || string(raw) != "volume"+string(rune('0'+i)) {
				t.Fatalf("volume %d is not where it should be: %q, %v", i, raw, err)
			}
		}
		enough(t, r)
	})
}

// small is a set of volumes with three blocks each, without hashes.
func small(n, k int) *volume.Set {
	s := &volume.Set{Name: "x.tar", Size: int64(n) * 3 * block, Block: block, Volume: 3 * block}
	for range n {
		s.Volumes = append(s.Volumes, volume.Volume{Size: 3 * block})
	}
	for range k {
		s.Parity = append(s.Parity, volume.Volume{Size: 3 * block})
	}
	return s
}

// scattered puts each volume that has a name into a file, unless the name is taken.
func scattered(t *testing.T, set *volume.Set, dir string, names, bad []byte) []Found {
	found := make([]Found, set.Len())
	for i := range found {
		found[i] = nothing(set, i)
		if i >= len(names) {
			continue
		}
		name := "file" + string(rune('a'+names[i]%26))
		if n := int(names[i]); n < set.Len() {
			name = set.FileName(n)
		}
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		if err := os.WriteFile(path, []byte("volume"+string(rune('0'+i))), 0o644); err != nil {
			t.Fatal(err)
		}
		found[i].Path, found[i].Size = path, 3*block
		for b := range found[i].Bad {
			found[i].Bad[b] = i < len(bad) && bad[i]>>b&1 == 1
		}
	}
	return found
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// enough fails if too much is bad when the volumes are good that are said to be needed.
func enough(t *testing.T, r *Repair) {
	t.Helper()
	if r.Lack == nil {
		return
	}
	var rows [][]int
	for _, row := range r.rows {
		rows = append(rows, slices.DeleteFunc(slices.Clone(row), func(i int) bool {
			return slices.Contains(r.Lack.Needed, i)
		}))
	}
	if lack(r.set, rows) != nil {
		t.Fatalf("%v are not enough: %v", r.Lack.Needed, r.rows)
	}
}
