// Package repair makes the volumes of a set whole again: it gives them their names, and computes what is
// missing or bad from the parity volumes.
//
// [New] looks at what there is and changes nothing. [Repair.Run] does what has to be done. It may be killed
// at any moment: a block that was good stays good, and the next run goes on. A block in a file that keeps its
// name is overwritten only if it is bad, and only with bytes that have the hash of the set file. Everything
// else is written as NAME.partial and renamed.
package repair

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"drayage/internal/durable"
	"drayage/internal/kind"
	"drayage/internal/volume"
)

// ErrTooMuch says that more is bad than the parity volumes make up for. [Lack] says how much.
var ErrTooMuch = errors.New("too much of it is bad or missing")

// Found is what there is of one volume of a set.
type Found struct {
	Path string      // of the file that has it; empty: none has
	Size int64       // of that file
	Is   fs.FileInfo // tells the file from others that get its path; nil: any
	Bad  []bool      // for each block: it is not what the set file says, is behind the end, or cannot be read
}

// isWhole reports whether no block is bad and nothing is behind the last one.
func (f Found) isWhole(size int64) bool {
	return f.good() == len(f.Bad) && f.Path != "" && f.Size == size
}

func (f Found) good() (n int) {
	for _, bad := range f.Bad {
		if !bad {
			n++
		}
	}
	return n
}

// Options say how a set is repaired.
type Options struct {
	Dir string // where the set file is: missing volumes are written there
	Out string // write all that is mended there, and change nothing elsewhere; or empty
	Raw []byte // what is in the set file, as it was checked

	Progress func(done int64) // gets the bytes that were read since the last call; or nil
	change   func(step) error // for tests: stands before each change of a file; or nil
}

// Repair is what has to be done to make a set whole.
type Repair struct {
	Renames []Rename // in this order
	Mends   []Mend   // by volume
	Lack    *Lack    // nil: everything can be mended

	set   *volume.Set
	opts  Options
	found []Found
	rows  [][]int // for each row of blocks: the volumes whose block is bad
}

// Rename is a file that gets the name of the volume that it has, or that makes room for one.
type Rename struct {
	From, To string
	Volume   int // what it has: a volume of the set, or -1
}

// Mend is a volume that is bad or missing.
type Mend struct {
	Volume int
	Found  Found
	Path   string // where it will be
	Blocks int    // that are computed
}

// New says what has to be done about what has been found of the volumes of a set.
func New(set *volume.Set, found []Found, opts Options) (*Repair, error) {
	r := &Repair{set: set, opts: opts, found: once(set, found), rows: make([][]int, set.BlocksOf(0))}
	for i, f := range r.found {
		for b, bad := range f.Bad {
			if bad {
				r.rows[b] = append(r.rows[b], i)
			}
		}
		if !f.isWhole(set.At(i).Size) {
			r.Mends = append(r.Mends, Mend{Volume: i, Found: f, Path: r.goal(i), Blocks: len(f.Bad) - f.good()})
		}
	}
	r.Lack = lack(set, r.rows)
	if opts.Out == "" {
		var err error
		if r.Renames, err = renames(set, r.found, opts.Dir, r.Lack == nil); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// once lets every file be one volume. Volumes with the same bytes may have been found in the same file. A
// file with nothing of the volume but its name may be of another archive: it is no volume, so that it is
// left alone.
func once(set *volume.Set, found []Found) []Found {
	found = slices.Clone(found)
	holder := map[string]int{}
	for i, f := range found {
		first, met := holder[f.Path]
		switch {
		case f.Path == "":
		case f.good() == 0:
			found[i] = nothing(set, i)
		case !met:
			holder[f.Path] = i
		case filepath.Base(f.Path) == set.FileName(i):
			found[first] = nothing(set, first)
			holder[f.Path] = i
		default:
			found[i] = nothing(set, i)
		}
	}
	return found
}

// nothing is what there is of a volume that is missing.
func nothing(set *volume.Set, i int) Found {
	f := Found{Bad: make([]bool, set.BlocksOf(i))}
	for b := range f.Bad {
		f.Bad[b] = true
	}
	return f
}

// goal is the path at which a volume ends.
func (r *Repair) goal(i int) string {
	dir := cmp.Or(r.opts.Out, r.opts.Dir)
	if r.opts.Out == "" && r.found[i].Path != "" {
		dir = filepath.Dir(r.found[i].Path)
	}
	return filepath.Join(dir, r.set.FileName(i))
}

// Needless reports whether nothing has to be done.
func (r *Repair) Needless() bool { return len(r.Renames)+len(r.Mends) == 0 }

// Run renames, rebuilds, and reads back what it has written. If more is bad than can be rebuilt it only
// renames, and the error matches [ErrTooMuch]. With Options.Out it copies the set file too, which is the file
// at setFile. Progress, if not nil, gets the bytes of each volume that were done since its last call.
func (r *Repair) Run(ctx context.Context, setFile string, progress func(int64)) error {
	beside, err := r.beside(setFile)
	if err != nil {
		return err
	}
	if err := r.prepare(); err != nil {
		if r.Lack != nil {
			return r.Lack
		}
		return kind.Errorf(ErrPlace, "%w", err)
	}
	for _, n := range r.Renames {
		if err := r.rename(n); err != nil {
			return err
		}
	}
	if r.Lack != nil {
		return r.Lack
	}
	if len(r.Mends) == 0 {
		return nil
	}
	m := &mender{Repair: r, tell: progress}
	defer m.close()
	if err := m.run(ctx); err != nil || r.opts.Out == "" {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(beside)) {
		if err := durable.ReplaceFile(filepath.Join(r.opts.Out, name), []byte(beside[name])); err != nil {
			return err
		}
	}
	return nil
}
