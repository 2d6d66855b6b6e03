package repair

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"os"
	"slices"

	"drayage/internal/durable"
	"drayage/internal/kind"
	"drayage/internal/parity"
	"drayage/internal/verify"
	"drayage/internal/volume"
)

// step is a change of a file.
type step struct {
	op       string // open, write, truncate, sync, rename
	path, to string
	file     *os.File
	p        []byte
	off      int64
}

func (r *Repair) before(s step) error {
	if r.opts.change == nil {
		return nil
	}
	return r.opts.change(s)
}

// mender rebuilds what is bad.
type mender struct {
	*Repair
	volumes []*mended
	tell    func(int64) // progress; or nil
}

// mended is a volume while others are rebuilt from it, or it from others.
type mended struct {
	i       int
	size    int64
	read    *os.File // what was found; nil: nothing
	bad     []bool   // of its blocks
	write   *os.File // nil: it is whole; the same as read if it is mended in place
	missing []bool   // blocks that write lacks
	path    string   // of write
	inPlace bool     // write is read
	goal    string   // its name in the end
}

func (m *mender) close() {
	for _, v := range m.volumes {
		for _, f := range []*os.File{v.read, v.write} {
			if f != nil {
				f.Close() // the second time an error, which means nothing
			}
		}
	}
}

func (m *mender) run(ctx context.Context) error {
	if err := m.open(ctx); err != nil {
		return err
	}
	for first := 0; first < len(m.rows); {
		n := m.alike(first)
		if err := m.mendRows(ctx, first, n); err != nil {
			return err
		}
		first += n
	}
	return m.finish(ctx)
}

// open opens what is read and written.
func (m *mender) open(ctx context.Context) error {
	for i, f := range m.found {
		v := &mended{i: i, size: m.set.At(i).Size, bad: f.Bad, goal: m.goal(i)}
		m.volumes = append(m.volumes, v)
		if f.Path == "" {
			continue
		}
		var err error
		v.path = cmp.Or(m.renamed(f.Path), f.Path)
		if v.read, err = openFound(v.path, f, os.O_RDONLY); err != nil {
			return err
		}
	}
	for _, mend := range m.Mends {
		if err := m.openTarget(ctx, m.volumes[mend.Volume], m.inPlace(mend)); err != nil {
			return err
		}
	}
	return nil
}

// openFound opens what was found of a volume, which is at path now. If another file is there it fails: that
// one has not been looked at.
func openFound(path string, f Found, flag int) (*os.File, error) {
	is := f.Is
	if is == nil {
		var err error
		if is, err = os.Lstat(path); err != nil {
			return nil, err
		}
	}
	return durable.OpenSame(path, is, flag)
}

func (m *mender) openTarget(ctx context.Context, v *mended, inPlace bool) (err error) {
	if inPlace {
		v.read.Close()
		v.read, err = openFound(v.path, m.found[v.i], os.O_RDWR)
		v.write, v.missing, v.inPlace = v.read, v.bad, true
		return err
	}
	v.path = m.partial(v.i)
	if err := m.before(step{op: "open", path: v.path}); err != nil {
		return err
	}
	if fi, err := os.Lstat(v.path); err == nil && !fi.Mode().IsRegular() {
		return fmt.Errorf("%s is in the way: it is no regular file", v.path)
	}
	if v.write, err = os.OpenFile(v.path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return err
	}
	v.missing, err = check(ctx, m.set, v.i, v.write, nil)
	return err
}

// alike is how many rows from first on have the same bad blocks, so that they are rebuilt together. Rows with
// bad blocks in files that are mended in place come one by one.
func (m *mender) alike(first int) int {
	n := 1
	if slices.ContainsFunc(m.rows[first], func(i int) bool { return m.volumes[i].inPlace }) {
		return n
	}
	for first+n < len(m.rows) && m.same(first, first+n) {
		n++
	}
	return n
}

// same reports whether two rows have the same bad blocks, and the same blocks still to be written.
func (m *mender) same(a, b int) bool {
	if !slices.Equal(m.rows[a], m.rows[b]) {
		return false
	}
	for _, i := range m.rows[a] {
		v := m.volumes[i]
		if v.missing[a] != v.missing[b] {
			return false
		}
	}
	return true
}

// mendRows writes what is missing in n rows from first on.
func (m *mender) mendRows(ctx context.Context, first, n int) error {
	var bad, in []*mended
	for _, v := range m.volumes {
		switch {
		case first >= len(v.bad) || !v.bad[first] || v.write != nil && !v.missing[first]:
			in = append(in, v)
		default:
			bad = append(bad, v)
		}
	}
	if err := m.rebuild(ctx, in, bad, first, n); err != nil {
		return err
	}
	for _, v := range m.volumes {
		for b := first; b < min(first+n, len(v.missing)); b++ {
			if v.missing[b] && !v.bad[b] {
				if err := m.copy(ctx, v, b); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// copy copies a good block into another file.
func (m *mender) copy(ctx context.Context, v *mended, b int) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	off, size, want := m.set.BlockAt(v.i, b)
	h := sha256.New()
	buf := make([]byte, min(size, 1<<20))
	for at := off; at < off+size; at += int64(len(buf)) {
		p := buf[:min(int64(len(buf)), off+size-at)]
		if n, err := v.read.ReadAt(p, at); n < len(p) {
			return fmt.Errorf("%s: %w", m.set.Title(v.i), err)
		}
		h.Write(p)
		if err := m.writeAt(v, p, at); err != nil {
			return err
		}
		m.progress(int64(len(p)))
	}
	if [sha256.Size]byte(h.Sum(nil)) != want {
		return kind.Errorf(verify.ErrMismatch, "block %d of %s has changed meanwhile", b, m.set.Title(v.i))
	}
	return nil
}

func (m *mender) progress(n int64) {
	if m.tell != nil {
		m.tell(n)
	}
}

// rebuild computes the bad blocks of n rows. What goes into a file that keeps its name is computed twice: the
// first time it is only hashed.
func (m *mender) rebuild(ctx context.Context, in, bad []*mended, first, n int) error {
	var inPlace []*mended
	for _, v := range bad {
		if v.inPlace {
			inPlace = append(inPlace, v)
		}
	}
	r := m.span(first, n)
	if err := m.compute(ctx, in, bad, r, true); err != nil {
		return err
	}
	if len(inPlace) == 0 {
		return nil
	}
	return m.compute(ctx, in, inPlace, r, false)
}

// span is where n rows are in all volumes.
func (m *mender) span(first, n int) parity.Range {
	off := int64(first) * m.set.Block
	return parity.Range{Off: off, Size: min(int64(n)*m.set.Block, m.set.At(0).Size-off)}
}

// compute hashes what it computes. It writes to new files, and to others only if only hashing is not wanted.
func (m *mender) compute(ctx context.Context, in, bad []*mended, r parity.Range, hashing bool) error {
	if len(bad) == 0 {
		return nil
	}
	var from []parity.Input
	for _, v := range in[:len(m.set.Volumes)] {
		from = append(from, parity.Input{Point: v.i, From: goodBlocks{v, m.set}, Size: v.size})
	}
	var to []parity.Output
	for _, v := range bad {
		s := &sink{mender: m, v: v, hash: sha256.New(), writes: !v.inPlace || !hashing}
		to = append(to, parity.Output{Point: v.i, Take: s.take})
	}
	return parity.Compute(ctx, from, to, r, m.progress)
}

// goodBlocks reads the good blocks of a volume, from the file that has them.
type goodBlocks struct {
	*mended
	set *volume.Set
}

func (g goodBlocks) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	f := g.read
	if g.bad[off/g.set.Block] {
		f = g.write
	}
	n, err := f.ReadAt(p, off)
	if n < len(p) {
		err = fmt.Errorf("%s: %w", g.set.Title(g.i), err)
	}
	return n, err
}

// sink takes the computed blocks of a volume, compares each with its hash, and writes them.
type sink struct {
	*mender
	v      *mended
	hash   hash.Hash
	writes bool
}

func (s *sink) take(p []byte, off int64) error {
	p = p[:max(0, min(int64(len(p)), s.v.size-off))]
	if len(p) == 0 {
		return nil // this volume ends before the others
	}
	s.hash.Write(p)
	if s.writes {
		if err := s.writeAt(s.v, p, off); err != nil {
			return err
		}
	}
	b := int(off / s.set.Block)
	start, size, want := s.set.BlockAt(s.v.i, b)
	if off+int64(len(p)) < start+size {
		return nil
	}
	sum := [sha256.Size]byte(s.hash.Sum(nil))
	s.hash.Reset()
	if sum != want {
		return kind.Errorf(verify.ErrMismatch, "block %d of %s is not what was computed from the others: "+
			"a volume has changed meanwhile", b, s.set.Title(s.v.i))
	}
	return nil
}
