package volume

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"drayage/internal/durable"
)

// Bounds on what is looked at where volumes do not have their names.
const (
	maxEntries = 10_000    // of one folder
	maxNames   = 1_000_000 // of one folder; few of them are wanted
	maxLooked  = 1024      // files whose first block is read
	samples    = 8         // blocks of a file whose first block is of no volume
)

// Find looks for the volumes of a set in folders: under their own names, and else under any name. A file is a
// volume if it has the first block of that volume. Where the first block is damaged, some of the others tell.
// Links are not followed. Whatever is wrong with a volume is in [Files.Found]: an error is only about a
// folder that cannot be read. The caller closes the files.
func Find(ctx context.Context, set *Set, dirs []string) (*Files, error) {
	f := &finder{ctx: ctx, set: set, dirs: dirs, first: map[[sha256.Size]byte][]int{},
		buf: make([]byte, readSize), named: make([][]candidate, set.Len())}
	for i := range set.Len() {
		_, _, sum := set.BlockAt(i, 0)
		f.first[sum] = append(f.first[sum], i)
	}
	complete := true
	for i := range set.Len() {
		if err := f.byName(i); err != nil {
			return nil, err
		}
		complete = complete && slices.ContainsFunc(f.named[i], f.isWhole(i))
	}
	if !complete {
		if err := f.underOtherNames(); err != nil {
			return nil, err
		}
	}
	states := make([]State, set.Len())
	for i := range states {
		states[i] = f.state(i)
	}
	files := newFiles(set, states, dirs)
	files.partly = f.partly
	return files, ctx.Err()
}

// finder is one search.
type finder struct {
	ctx    context.Context
	set    *Set
	dirs   []string
	first  map[[sha256.Size]byte][]int // volumes by their first block
	buf    []byte
	named  [][]candidate // files with the name of a volume, by volume
	others []candidate
	looked int
	partly bool // not all files were looked at
}

// candidate is a file that may be a volume.
type candidate struct {
	path  string
	size  int64
	is    []int // the volumes whose content it has: several may be the same
	sound bool  // its first block is right
	err   error
}

// isWhole finds a file that is volume i as far as can be seen.
func (f *finder) isWhole(i int) func(candidate) bool {
	return func(c candidate) bool { return slices.Contains(c.is, i) && c.sound && c.size == f.set.At(i).Size }
}

// byName looks at the files that are called like volume i.
func (f *finder) byName(i int) error {
	for _, dir := range f.dirs {
		path := filepath.Join(dir, f.set.FileName(i))
		c := candidate{path: path}
		if f.look(&c, i); errors.Is(c.err, fs.ErrNotExist) {
			continue
		}
		f.named[i] = append(f.named[i], c)
	}
	return f.ctx.Err()
}

// underOtherNames looks at files that may be volumes by their size or by the beginning of their name.
func (f *finder) underOtherNames() error {
	sizes, names := map[int64]bool{}, map[string]bool{SetName(f.set.Name): true}
	for i := range f.set.Len() {
		names[f.set.FileName(i)] = true
		if !slices.ContainsFunc(f.named[i], f.isWhole(i)) {
			sizes[f.set.At(i).Size] = true
		}
	}
	for _, dir := range f.dirs {
		entries, err := readDir(dir)
		if err != nil {
			return fmt.Errorf("look for volumes in %s: %w", quotedPath(dir), durable.Cause(err))
		}
		f.partly = f.partly || len(entries) == maxEntries
		for _, e := range entries {
			if names[e.Name()] || !e.Type().IsRegular() || f.looked >= maxLooked {
				continue
			}
			fi, err := e.Info()
			if err != nil || fi.Size() == 0 || !sizes[fi.Size()] && !f.isCalledSo(e.Name()) {
				continue
			}
			f.looked++
			c := candidate{path: filepath.Join(dir, e.Name())}
			if f.look(&c, -1); len(c.is) > 0 {
				f.others = append(f.others, c)
			}
			if err := f.ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// isCalledSo reports whether a name could be what browsers and file managers make of that of a volume. Those
// of signatures are no such names.
func (f *finder) isCalledSo(name string) bool {
	return strings.HasPrefix(name, f.set.Name) && !strings.HasPrefix(name, SetName(f.set.Name))
}

// readDir lists a folder in order. Of a very large one it lists a part.
func readDir(dir string) ([]fs.DirEntry, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(maxEntries)
	if len(entries) == 0 && err != nil && err != io.EOF {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// look finds out which volume a file is. claimed is the volume that its name stands for, or negative.
func (f *finder) look(c *candidate, claimed int) {
	file, fi, err := openRegular(c.path)
	if err != nil {
		c.err = err
		return
	}
	defer file.Close()
	if c.size = fi.Size(); c.size == 0 {
		return
	}
	if claimed >= 0 && f.holds(file, c.size, claimed, 0) && f.isAlone(file, c.size, claimed) {
		c.is, c.sound = []int{claimed}, true
		return
	}
	if sum, err := f.sum(file, 0, min(c.size, f.set.Block)); err == nil {
		c.is = f.beginning(file, c.size, sum)
		c.sound = len(c.is) > 0
	}
	if len(c.is) == 0 && claimed >= 0 && f.belongs(file, c.size, claimed) {
		c.is = []int{claimed}
	}
	if len(c.is) == 0 {
		c.is = f.within(file, c.size)
	}
}

// beginning lists the volumes that a file is by its first block: those of its size, or else those that it
// could be a part of.
func (f *finder) beginning(file *os.File, size int64, sum [sha256.Size]byte) (exact []int) {
	var others []int
	for _, i := range f.first[sum] {
		switch {
		case !f.isAlone(file, size, i):
		case size == f.set.At(i).Size:
			exact = append(exact, i)
		default:
			others = append(others, i)
		}
	}
	if len(exact) == 0 {
		return others
	}
	return exact
}

// isAlone reports whether the first block tells volume i from others, or else the last block does.
func (f *finder) isAlone(file *os.File, size int64, i int) bool {
	_, _, sum := f.set.BlockAt(i, 0)
	last := f.set.BlocksOf(i) - 1
	return len(f.first[sum]) == 1 || last == 0 || size < f.set.At(i).Size || f.holds(file, size, i, last)
}

// belongs reports whether a file that is called like volume i, and whose first block is no volume's, has any
// block of that volume. If it is too small to tell, its name does.
func (f *finder) belongs(file *os.File, size int64, i int) bool {
	blocks := f.set.BlocksOf(i)
	whole := int(min(size/f.set.Block, int64(blocks)))
	if size >= f.set.At(i).Size {
		whole = blocks
	}
	if whole <= 1 {
		return true
	}
	for n := range samples {
		b := whole - 1 - n*(whole-1)/samples
		if f.holds(file, size, i, b) {
			return true
		}
	}
	return false
}

// holds reports whether a file has block b of volume i where that has to be.
func (f *finder) holds(file *os.File, size int64, i, b int) bool {
	offset, n, want := f.set.BlockAt(i, b)
	if offset+n > size {
		return false
	}
	sum, err := f.sum(file, offset, n)
	return err == nil && sum == want
}

func (f *finder) sum(file *os.File, offset, n int64) ([sha256.Size]byte, error) {
	return hashAt(file, offset, n, f.buf, f.ctx.Err)
}

// state says where volume i is and how it is.
func (f *finder) state(i int) State {
	var best *candidate
	for _, all := range append(slices.Clone(f.named), f.others) {
		for n := range all {
			if c := &all[n]; slices.Contains(c.is, i) && (best == nil || f.isBetter(i, c, best)) {
				best = c
			}
		}
	}
	s := State{Condition: Missing, Other: -1}
	if best != nil {
		s = f.found(i, best)
	}
	f.instead(i, &s)
	return s
}

// isBetter reports whether a file is to be taken for volume i rather than another one.
func (f *finder) isBetter(i int, c, than *candidate) bool {
	own := func(c *candidate) bool { return filepath.Base(c.path) == f.set.FileName(i) }
	rank := func(c *candidate) (n int64) {
		switch {
		case f.isWhole(i)(*c):
			n = 4
		case c.size >= f.set.At(i).Size:
			n = 2
		}
		if own(c) {
			n++
		}
		return n
	}
	if a, b := rank(c), rank(than); a != b {
		return a > b
	}
	return c.size > than.size && c.size <= f.set.At(i).Size
}

// found is the state of a volume that is there.
func (f *finder) found(i int, c *candidate) State {
	want := f.set.At(i).Size
	s := State{Condition: Here, File: c.path, Size: c.size, Other: -1,
		Misnamed: filepath.Base(c.path) != f.set.FileName(i)}
	if !c.sound {
		s.Condition, s.Bad = Damaged, []Range{{0, 1}}
	}
	switch {
	case c.size < want:
		s.Condition = Short
		whole := int(c.size / f.set.Block)
		s.Bad = join(s.Bad, Range{whole, f.set.BlocksOf(i)})
	case c.size > want:
		s.Condition = Long
	}
	return s
}

// join adds a range behind others.
func join(all []Range, r Range) []Range {
	if n := len(all); n > 0 && r.From <= all[n-1].To {
		all[n-1].To = max(all[n-1].To, r.To)
		return all
	}
	return append(all, r)
}

// instead says what has the name of volume i and is not that volume: other tools go by names.
func (f *finder) instead(i int, s *State) {
	for _, c := range f.named[i] {
		if c.path == s.File || f.isWhole(i)(c) {
			continue
		}
		s.Holder = c.path
		switch {
		case errors.Is(c.err, errLink):
			s.Instead = Link
		case errors.Is(c.err, errFolder):
			s.Instead = Folder
		case errors.Is(c.err, errNotRegular):
			s.Instead = Special
		case c.err != nil:
			s.Instead, s.Why = Unreadable, durable.Cause(c.err)
		case c.size == 0:
			s.Instead = Empty
		case slices.Contains(c.is, i):
			s.Instead = Worse
		case len(c.is) > 0:
			s.Instead, s.Other = Another, c.is[0]
		default:
			s.Instead = Stranger
		}
		return
	}
}
