package tarfs

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"regexp"
)

// Salvage is New for a tar that may be damaged: with the error it returns the entries that can be found, if
// there are any. Without behind these are the entries in front of the fault. behind tells of an offset that
// cannot be read which one is worth a try after it. What stands there is taken from the next header on, if
// the entry has the name of a blob: only blobs tell by their digests that they are what they seem.
func Salvage(r io.ReaderAt, size int64, behind func(offset int64) int64) (*Index, error) {
	faults := &faultKeeper{ReaderAt: r}
	if err := sniff(faults, size); err != nil {
		return nil, cmp.Or(faults.err, err)
	}
	x := newIndex(r, size, newTable(nil))
	end, err := x.scan(faults, 0, func(string) bool { return true })
	if err == nil {
		return x, nil
	}
	x.fault = cmp.Or(faults.err, err)
	if faults.err != nil && behind != nil {
		x.resume(faults, behind, end)
	}
	return x.some(), x.fault
}

// resume goes on behind places that cannot be read, until the end.
func (x *Index) resume(faults *faultKeeper, behind func(int64) int64, at int64) {
	takes := func(name string) bool { return blobName.MatchString(name) && !x.entries.has(Clean(name)) }
	for at >= 0 && at < x.size {
		if faults.err != nil {
			at = max(at, behind(faults.at))
			faults.err = nil
		}
		head := x.nextHead(faults, at)
		if head < 0 && faults.err == nil {
			return
		}
		if head >= 0 {
			at, _ = x.scan(faults, head, takes)
			at = max(at, head+blockSize)
		}
	}
}

// blobName matches the names of blobs in all formats, and of the headers that may stand before them.
var blobName = regexp.MustCompile(
	`^(\./)?(blobs/sha(256|512)/)?(PaxHeaders\.0/)?([0-9a-f]{64}){1,2}(\.tar|\.json|/layer\.tar)?$`)

// nextHead is the offset of the next header of a blob, or below 0. It ends at what cannot be read.
func (x *Index) nextHead(r io.ReaderAt, at int64) int64 {
	at = (at + blockSize - 1) / blockSize * blockSize
	buf := make([]byte, 64<<10)
	for at < x.size {
		n, err := r.ReadAt(buf[:min(int64(len(buf)), x.size-at)], at)
		for b := buf[:n]; len(b) >= blockSize; b, at = b[blockSize:], at+blockSize {
			if x.isHead(b[:blockSize], at) {
				return at
			}
		}
		if err != nil || n < blockSize {
			break
		}
	}
	return -1
}

// isHead reports whether a block at an offset is the header of a blob.
func (x *Index) isHead(block []byte, at int64) bool {
	const magic = 257
	if !bytes.HasPrefix(block[magic:], []byte("ustar")) {
		return false
	}
	h, err := tar.NewReader(io.MultiReader(bytes.NewReader(block), zeros{})).Next() // compares the checksum
	if err != nil {
		kind := block[156]
		name, _, _ := bytes.Cut(block[:100], []byte{0})
		return kind == tar.TypeXHeader && blobName.Match(name)
	}
	return h.Typeflag == tar.TypeReg && blobName.MatchString(h.Name) && h.Size <= x.size-at-blockSize
}

// zeros is an endless stream of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Fault is why not all of a damaged tar could be looked at. It is nil if all could.
func (x *Index) Fault() error { return x.fault }

// hidden is the error about an entry that is not found in a damaged tar.
func (x *Index) hidden() error {
	return fmt.Errorf("not found in what can be read of the archive (%w)", x.fault)
}

// some is the index if anything is in it.
func (x *Index) some() *Index {
	if x.entries.empty() {
		return nil
	}
	return x
}

// faultKeeper keeps the first error about a tar that cannot be read, and where that was: archive/tar does not
// tell it from a tar that is damaged.
type faultKeeper struct {
	io.ReaderAt
	err error
	at  int64
}

// ReadAt implements io.ReaderAt.
func (f *faultKeeper) ReadAt(p []byte, offset int64) (int, error) {
	n, err := f.ReaderAt.ReadAt(p, offset)
	if err != nil && err != io.EOF && f.err == nil {
		f.err, f.at = err, offset+int64(n)
	}
	return n, err
}
