package cut

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"drayage/internal/durable"
	"drayage/internal/parity"
	"drayage/internal/terminal"
	"drayage/internal/usage"
	"drayage/internal/verify"
	"drayage/internal/volume"
)

// Again makes some volumes of an archive once more. It has the methods of a file that writers of archives
// need: the whole archive is written into it, and it keeps what the volumes have of that. The caller ends it
// with Finish and Commit, or with Abort.
type Again struct {
	hold   *durable.Hold
	set    *volume.Set
	from   string // the path of the set file
	path   string
	dirs   []string // folders that there are; path is in the first
	dirOf  []string // the folder of each volume
	wanted []int
	files  map[int]*durable.Output // data volumes, and those that parity volumes are computed from
	parity map[int]*durable.Output
	pos    int64
	all    bool
	passed atomic.Bool // a part was not wanted
}

// Redo begins volumes of the archive at path, which text lists: 3,7 or 3-5, and p1 for a parity volume. They
// are in its folder or in one of more. The set file of the archive must be in one of them.
func Redo(path string, more []string, text string) (*Again, error) {
	dirs := append([]string{filepath.Dir(path)}, more...)
	hold, err := durable.HoldFolders(filepath.Base(path), dirs...)
	if err != nil {
		return nil, err
	}
	a := &Again{hold: hold, path: path, dirs: dirs,
		files: map[int]*durable.Output{}, parity: map[int]*durable.Output{}}
	if err := a.begin(text); err != nil {
		a.Abort()
		return nil, err
	}
	return a, nil
}

func (a *Again) begin(text string) (err error) {
	for _, dir := range a.dirs {
		if err := regular(dir, filepath.Base(a.path)); err != nil {
			return err
		}
	}
	if a.set, a.from, err = findSet(a.dirs, filepath.Base(a.path)); err != nil {
		return err
	}
	if a.wanted, err = parseOnly(text, a.set); err != nil {
		return err
	}
	a.place()
	return a.open()
}

// parseOnly reads a list of volumes.
func parseOnly(text string, set *volume.Set) (all []int, err error) {
	for word := range strings.SplitSeq(text, ",") {
		word, redundant := strings.CutPrefix(strings.ToLower(strings.TrimSpace(word)), "p")
		from, to, isRange := strings.Cut(word, "-")
		first, err1 := strconv.Atoi(from)
		last := first
		if isRange {
			last, err = strconv.Atoi(strings.TrimPrefix(to, "p"))
		}
		if err1 != nil || err != nil || first < 1 || last < first {
			return nil, usage.Errorf("--only %q is no list of volumes, such as 3,7 or 3-5 or p1", text)
		}
		n, offset, what := len(set.Volumes), 0, "volume"
		if redundant {
			n, offset, what = len(set.Parity), n, "parity volume"
		}
		if last > n {
			return nil, usage.Errorf("--only %s: there is no %s %d: %s has %s", text, what, last,
				volume.SetName(set.Name), terminal.Count(n, what))
		}
		for i := first; i <= last; i++ {
			all = append(all, offset+i-1)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// open begins the volumes, and those data volumes that parity needs and that are not here.
func (a *Again) open() error {
	base := filepath.Base(a.path)
	begin := func(i int, partial string, files map[int]*durable.Output) error {
		f, err := durable.OpenOutput(filepath.Join(a.dirOf[i], a.set.FileName(i)), partial)
		if err == nil {
			files[i] = f
		}
		return err
	}
	for _, i := range a.wanted {
		var err error
		if a.set.IsParity(i) {
			err = begin(i, partialParity(base, i-len(a.set.Volumes)), a.parity)
		} else {
			err = begin(i, partialName(base, i), a.files)
		}
		if err != nil {
			return err
		}
	}
	for i := range a.set.Volumes {
		if a.files[i] == nil && len(a.parity) > 0 {
			if err := begin(i, partialName(base, i), a.files); err != nil {
				return err
			}
		}
	}
	return a.Truncate(0)
}

// Wants reports whether something is kept of size bytes at off. Who writes the archive need not read what is
// not.
func (a *Again) Wants(off, size int64) bool {
	if a.all || size == 0 {
		return true
	}
	first, _ := a.set.Locate(off)
	last, _ := a.set.Locate(off + size - 1)
	for i := first; i <= last; i++ {
		if a.files[i] != nil {
			return true
		}
	}
	a.passed.Store(true)
	return false
}

// WriteAt implements io.WriterAt.
func (a *Again) WriteAt(p []byte, off int64) (n int, err error) {
	for len(p) > 0 {
		i, at := a.set.Locate(off)
		run := p[:min(int64(len(p)), a.set.Volume-at)]
		if f := a.files[i]; f != nil && at < a.set.At(i).Size {
			if _, err := f.WriteAt(run[:min(int64(len(run)), a.set.At(i).Size-at)], at); err != nil {
				return n, err
			}
		}
		n, off, p = n+len(run), off+int64(len(run)), p[len(run):]
	}
	return n, nil
}

// ReadAt implements io.ReaderAt. Nothing of the archive is there before it has been written.
func (a *Again) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }

// Write implements io.Writer: it writes behind what it has written.
func (a *Again) Write(p []byte) (int, error) {
	n, err := a.WriteAt(p, a.pos)
	a.pos += int64(n)
	return n, err
}

// Seek moves the place of Write, to an offset from the beginning.
func (a *Again) Seek(offset int64, _ int) (int64, error) {
	a.pos = offset
	return offset, nil
}

// Truncate empties the volumes if size is 0. Their sizes are known.
func (a *Again) Truncate(size int64) error {
	if size > 0 {
		return nil
	}
	for i, f := range a.files {
		if err := f.Truncate(0); err != nil {
			return err
		}
		if err := f.Truncate(a.set.At(i).Size); err != nil {
			return err
		}
	}
	return nil
}

// Anew reports whether writing the archive once more may help where Finish has failed: what was not wanted
// may have decided on the places of all that follows. Everything is wanted from then on.
func (a *Again) Anew() bool {
	if a.all || !a.passed.Load() {
		return false
	}
	a.all = true
	return true
}

// Finish compares the volumes with the set. Its error about one that differs wraps verify.ErrMismatch.
func (a *Again) Finish(ctx context.Context) error {
	if err := a.compare(ctx, a.files); err != nil || len(a.parity) == 0 {
		return err
	}
	if err := a.encode(ctx); err != nil {
		return err
	}
	return a.compare(ctx, a.parity)
}

func (a *Again) compare(ctx context.Context, files map[int]*durable.Output) error {
	for i := range a.set.Len() {
		f := files[i]
		if f == nil {
			continue
		}
		if err := f.Sync(); err != nil {
			return err
		}
		sums, err := hashes(ctx, f, a.set.At(i).Size, whole)
		if err != nil {
			return err
		}
		if digest.NewDigestFromBytes(digest.SHA256, sums[0]) != a.set.At(i).SHA256 {
			return verify.Mismatchf("%s comes out different: the source has changed since, or the flags are "+
				"others; nothing was replaced", a.set.Title(i))
		}
	}
	return nil
}

// Made lists the volumes, after Commit.
func (a *Again) Made() (all []File) {
	for _, i := range a.wanted {
		path := filepath.Join(a.dirOf[i], a.set.FileName(i))
		all = append(all, File{path, a.set.At(i).Size, a.set.At(i).SHA256})
	}
	return all
}

// SetName is the set file that says what the volumes have to be.
func (a *Again) SetName() string { return a.from }

// Volume is the size of the volumes.
func (a *Again) Volume() int64 { return a.set.Volume }

// Commit gives the volumes their names.
func (a *Again) Commit() error {
	defer a.Abort()
	if err := a.hold.Stays(); err != nil {
		return err
	}
	for _, i := range a.wanted {
		f := a.files[i]
		if f == nil {
			f = a.parity[i]
		}
		if err := f.Appear(); err != nil {
			return err
		}
	}
	if err := a.hold.Sync(); err != nil {
		return err
	}
	return a.hold.Stays()
}

// Abort removes what has been written. After Commit it does nothing.
func (a *Again) Abort() {
	defer a.hold.Release()
	for _, f := range a.files {
		f.Abort()
	}
	for _, f := range a.parity {
		f.Abort()
	}
}

// encode computes the parity volumes, all at once.
func (a *Again) encode(ctx context.Context) error {
	var in []parity.Input
	for i := range a.set.Volumes {
		in = append(in, parity.Input{Point: i, From: a.files[i], Size: a.set.At(i).Size})
	}
	var out []parity.Output
	for i, f := range a.parity {
		out = append(out, parity.Output{Point: i, Take: func(p []byte, off int64) error {
			_, err := f.WriteAt(p, off)
			return err
		}})
	}
	for _, f := range a.parity {
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	return parity.Compute(ctx, in, out, parity.Range{Size: a.set.At(0).Size}, nil)
}
