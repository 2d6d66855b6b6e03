package tarpatch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"io"
	"path"
	"slices"

	"drayage/internal/limits"
)

// known is an entry of a base. There may be hundreds of thousands, so it has hashes in place of names: a
// wrong guess makes a patch larger and not wrong. Only the content has a hash that nobody can aim at, because
// what it finds is copied unseen.
type known struct {
	sum     [16]byte // of the content
	path    uint64
	content int64
	size    int64
	stem    uint32 // of the last part of the name, with every number alike
	dir     uint32 // of what is before it
	headers uint32 // bytes before the content
	base    uint8
	zeros   bool // the padding is zeros
}

// index finds entries of all bases.
type index struct {
	bases  []Base
	all    []known // sorted by stem, size, base and place
	byPath []int32 // places in all
	bySum  []int32
	beyond int64 // entries for which there was no room
}

// hashed is how many bytes are read at once for their hash.
const hashed = 128 << 10

// maxFiles is replaced in tests.
var maxFiles = limits.PatchFiles

func newIndex(ctx context.Context, bases []Base) (*index, error) {
	x := &index{bases: bases}
	n := 0
	for _, b := range bases {
		s := newScanner(b)
		for _, ok := s.next(); ok; _, ok = s.next() {
			n++
		}
		if s.err != nil {
			return nil, s.err
		}
	}
	x.all = make([]known, 0, min(n, maxFiles))
	x.beyond = int64(n - cap(x.all))
	buf := make([]byte, hashed)
	for i := range bases {
		if err := x.read(ctx, i, buf); err != nil {
			return nil, err
		}
	}
	x.sort()
	return x, nil
}

// read takes the entries of a base.
func (x *index) read(ctx context.Context, base int, buf []byte) error {
	s := newScanner(x.bases[base])
	for e, ok := s.next(); ok && len(x.all) < cap(x.all); e, ok = s.next() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		k := known{base: uint8(base), content: e.content, size: e.size, headers: uint32(e.content - e.at)}
		k.path, k.stem, k.dir = hashName(e.name)
		var err error
		if k.sum, k.zeros, err = contentSum(s.r, e, buf); err != nil {
			return err
		}
		x.all = append(x.all, k)
	}
	return s.err
}

// contentSum hashes the content of an entry, and looks whether its padding is zeros.
func contentSum(r io.ReaderAt, e entry, buf []byte) (sum [16]byte, zeros bool, err error) {
	if e.size == 0 {
		return sum, true, nil
	}
	h := sha256.New()
	for at, end := e.content, e.content+e.size; at < end; {
		p := buf[:min(int64(len(buf)), e.padded()-at)]
		if err := readAt(r, p, at); err != nil {
			return sum, false, err
		}
		n := min(int64(len(p)), end-at)
		h.Write(p[:n])
		at += n
		if at == end {
			zeros = int64(len(p))-n == e.padded()-end && isZero(p[n:])
		}
	}
	copy(sum[:], h.Sum(nil))
	return sum, zeros, nil
}

func isZero(p []byte) bool {
	for _, c := range p {
		if c != 0 {
			return false
		}
	}
	return true
}

func (x *index) sort() {
	slices.SortFunc(x.all, func(a, b known) int {
		return cmp.Or(cmp.Compare(a.stem, b.stem), cmp.Compare(a.size, b.size), cmp.Compare(a.base, b.base),
			cmp.Compare(a.content, b.content))
	})
	x.byPath, x.bySum = make([]int32, len(x.all)), make([]int32, len(x.all))
	for i := range x.all {
		x.byPath[i], x.bySum[i] = int32(i), int32(i)
	}
	order := func(i, j int32) int {
		a, b := &x.all[i], &x.all[j]
		return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(a.content, b.content))
	}
	slices.SortFunc(x.byPath, func(i, j int32) int {
		return cmp.Or(cmp.Compare(x.all[i].path, x.all[j].path), order(i, j))
	})
	slices.SortFunc(x.bySum, func(i, j int32) int {
		return cmp.Or(slices.Compare(x.all[i].sum[:], x.all[j].sum[:]), order(i, j))
	})
}

// maxAlike bounds how many entries of equal content or of one stem are looked at.
const maxAlike = 64

// sameContent finds the entry that has the content, best the one at the path.
func (x *index) sameContent(sum [16]byte, path uint64) *known {
	i, _ := slices.BinarySearchFunc(x.bySum, sum, func(i int32, sum [16]byte) int {
		return slices.Compare(x.all[i].sum[:], sum[:])
	})
	var found *known
	for _, i := range x.bySum[i:min(i+maxAlike, len(x.bySum))] {
		k := &x.all[i]
		if k.sum != sum {
			break
		}
		if k.path == path {
			return k
		}
		if found == nil {
			found = k
		}
	}
	return found
}

// samePath finds the entry at a path, in the first base that has it.
func (x *index) samePath(path uint64) *known {
	i, ok := slices.BinarySearchFunc(x.byPath, path, func(i int32, path uint64) int {
		return cmp.Compare(x.all[i].path, path)
	})
	if !ok {
		return nil
	}
	return &x.all[x.byPath[i]]
}

// alike finds the entry with the same stem that is nearest in size, best one of a directory.
func (x *index) alike(stem, dir uint32, size int64) *known {
	middle, _ := slices.BinarySearchFunc(x.all, size, func(k known, size int64) int {
		return cmp.Or(cmp.Compare(k.stem, stem), cmp.Compare(k.size, size))
	})
	var found *known
	for i := max(0, middle-maxAlike); i < min(len(x.all), middle+maxAlike); i++ {
		k := &x.all[i]
		if k.stem == stem && (found == nil || k.nearer(found, dir, size)) {
			found = k
		}
	}
	return found
}

// nearer reports whether k rather than other is like what is looked for.
func (k *known) nearer(other *known, dir uint32, size int64) bool {
	if (k.dir == dir) != (other.dir == dir) {
		return k.dir == dir
	}
	return abs(k.size-size) < abs(other.size-size)
}

func abs(n int64) int64 { return max(n, -n) }

// hashName returns the hashes of a name: of all, of its last part with every number alike, and of the rest.
func hashName(name string) (all uint64, stem, dir uint32) {
	const start, prime = 14695981039346656037, 1099511628211 // FNV-1a
	all = start
	for i := range len(name) {
		all = (all ^ uint64(name[i])) * prime
	}
	before, last := path.Split(name)
	s, d := uint64(start), uint64(start)
	for i := range len(last) {
		c := last[i]
		if c >= '0' && c <= '9' {
			if c = '0'; i > 0 && last[i-1] >= '0' && last[i-1] <= '9' {
				continue
			}
		}
		s = (s ^ uint64(c)) * prime
	}
	for i := range len(before) {
		d = (d ^ uint64(before[i])) * prime
	}
	return all, uint32(s ^ s>>32), uint32(d ^ d>>32)
}
