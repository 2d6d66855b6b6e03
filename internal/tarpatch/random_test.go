package tarpatch

import (
	"archive/tar"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// tree is a random tree of files that changes at random.
type tree struct {
	*rand.Rand
	files map[string]file
}

func (r *tree) name() string {
	dirs := []string{"", "usr/lib/", "usr/share/doc/", strings.Repeat("very/long/", 15), "a-1.2/", "ö/"}
	kinds := []string{"so", "txt", "py"}
	return fmt.Sprintf("%sfile-%d.%s", dirs[r.IntN(len(dirs))], r.IntN(40), kinds[r.IntN(len(kinds))])
}

// body is content: nothing, noise, or text that repeats itself.
func (r *tree) body() []byte {
	n := r.IntN(1 << r.IntN(16))
	if r.IntN(2) == 0 {
		return noise(r.Uint64(), n)
	}
	return []byte(strings.Repeat(fmt.Sprintf("line %d of a text\n", r.IntN(9)), n/18))
}

// add adds an entry of a random kind.
func (r *tree) add() {
	name := r.name()
	f := file{name: name}
	f.ModTime = time.Unix(int64(1_700_000_000+r.IntN(1000)), 0)
	switch r.IntN(12) {
	case 0:
		f.Typeflag = tar.TypeDir
		f.name += "/"
	case 1:
		f.Typeflag, f.Linkname = tar.TypeSymlink, r.name()
	case 2:
		f.Typeflag, f.Linkname = tar.TypeLink, r.name()
	case 3:
		attribute := string(noise(r.Uint64(), 40))
		f.Format, f.PAXRecords = tar.FormatPAX, map[string]string{"SCHILY.xattr.user.x": attribute}
		f.body = r.body()
	case 4:
		f.Format, f.Uid = tar.FormatGNU, 1<<30
		f.body = r.body()
	default:
		f.body = r.body()
	}
	r.files[name] = f
}

// change changes an entry, renames or removes it.
func (r *tree) change() {
	names := slices.Sorted(maps.Keys(r.files))
	name := names[r.IntN(len(names))]
	f := r.files[name]
	switch r.IntN(6) {
	case 0:
		delete(r.files, name)
	case 1:
		delete(r.files, name)
		f.name = r.name()
		r.files[f.name] = f
	case 2:
		f.ModTime = time.Unix(1_800_000_000, 0)
		r.files[name] = f
	case 3:
		r.add()
	default:
		if len(f.body) > 0 {
			at := r.IntN(len(f.body))
			added, left := noise(r.Uint64(), r.IntN(20)), f.body[min(len(f.body), at+r.IntN(20)):]
			f.body = slices.Concat(f.body[:at], added, left)
			r.files[name] = f
		}
	}
}

// tar writes the tree, in the order of names or in any.
func (r *tree) tar(t *testing.T) []byte {
	var all []file
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		all = append(all, r.files[name])
	}
	if r.IntN(4) == 0 {
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	return tarOf(t, all...)
}

// TestRandomLayers makes patches of random layers against random ones, and applies them.
func TestRandomLayers(t *testing.T) {
	for seed := range uint64(40) {
		r := &tree{rand.New(rand.NewPCG(seed, 1)), map[string]file{}}
		for range 1 + r.IntN(40) {
			r.add()
		}
		var bases [][]byte
		for range r.IntN(4) {
			bases = append(bases, r.tar(t))
			for range r.IntN(12) {
				if len(r.files) > 0 {
					r.change()
				}
			}
		}
		target := r.tar(t)
		switch r.IntN(8) {
		case 0: // no tar any more
			target = target[:r.IntN(len(target))]
		case 1:
			target[r.IntN(len(target))]++
		}
		if patch(t, target, bases...); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
