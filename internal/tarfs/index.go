// Package tarfs finds the files of a tar and opens them where they lie: it unpacks nothing, and names are
// keys, never paths. It knows nothing of images. A tar comes as an io.ReaderAt with a size ([New]), or as a
// stream that is read once ([Scan], [NewStream]). Either way the answer is an [Index], which is an fs.FS too.
//
// Links are followed inside the tar only. Several entries may have one name only if they are the same. Sparse
// files read with their holes. What a tar can make the package hold is bounded. The content of files is not
// verified. Errors about a tar that is damaged or ambiguous wrap verify.ErrMismatch, those about what is no
// tar [ErrNotTar].
package tarfs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"drayage/internal/limits"
	"drayage/internal/transfer"
	"drayage/internal/verify"
)

// maxLinks is how many links are followed one after another.
const maxLinks = 8

const (
	blockSize   = 512 // the unit of tar
	typeLabel   = 'V' // as GNU tar writes it: the name of a whole archive
	typeDumpDir = 'D' // as GNU tar writes it: a directory with a list of what was in it
)

// Entry is a file, a link or a directory of a tar.
type Entry struct {
	Offset int64  // of the content; of a sparse file, of its header; below 0 while the content cannot be read
	Size   int64  // bytes of the content, holes included
	Link   string // where a link leads, as it stands in the tar
	Kind   byte   // as in [tar.Header]
	Sparse bool   // stored without its holes
}

// IsFile reports whether the entry is a regular file.
func (e Entry) IsFile() bool { return e.Kind == tar.TypeReg || e.Kind == tar.TypeGNUSparse }

func (e Entry) isLink() bool { return e.Kind == tar.TypeSymlink || e.Kind == tar.TypeLink }

func (e Entry) isDir() bool { return e.Kind == tar.TypeDir || e.Kind == typeDumpDir }

// Index finds the entries of a tar by name, relative to a directory that [Index.SetRoot] chooses. It reads
// from the tar in place. It may be used concurrently.
type Index struct {
	r       io.ReaderAt
	size    int64
	root    string
	entries *table // by cleaned name
	count   int    // headers, also of what is no file
	fault   error  // why not all of a damaged tar could be looked at
	names   int    // bytes of names
	holes   int64  // bytes of sparse files

	mu    sync.Mutex
	equal map[string]bool // names with several entries, which have been found to be the same
}

func newIndex(r io.ReaderAt, size int64, entries *table) *Index {
	return &Index{r: r, size: size, entries: entries, equal: map[string]bool{}}
}

// New finds the entries of the uncompressed tar in r, which is size bytes long. The index reads from r as
// long as it is used. It does not close r.
func New(r io.ReaderAt, size int64) (*Index, error) {
	x, err := Salvage(r, size, nil)
	if err != nil {
		return nil, err
	}
	return x, nil
}

// scan enters the entries of the tar that begins at an offset. It returns where it has stopped.
func (x *Index) scan(r io.ReaderAt, from int64, takes func(name string) bool) (end int64, err error) {
	section := &headSeeker{SectionReader: io.NewSectionReader(r, 0, x.size)}
	if _, err := section.Seek(from, io.SeekStart); err != nil {
		return from, err
	}
	for tr := tar.NewReader(section); ; {
		section.wanted = true
		h, err := tr.Next()
		offset, seekErr := section.Seek(0, io.SeekCurrent)
		switch {
		case err == io.EOF:
			return offset, x.checkEnd(section)
		case err != nil:
			return offset, x.damaged(err)
		case seekErr != nil:
			return offset, seekErr
		case !takes(h.Name):
			continue
		case isSparse(h):
			offset = section.head
		}
		if err := x.add(h, offset); err != nil {
			return offset, err
		}
	}
}

// checkEnd refuses a tar with something behind its end: not all tools read that. It looks only so far: a
// sparse file may promise zeros for hours.
func (x *Index) checkEnd(rest io.Reader) error {
	var buf [32 << 10]byte
	rest = io.LimitReader(rest, limits.TarPadding)
	for {
		n, err := rest.Read(buf[:])
		if len(bytes.TrimLeft(buf[:n], "\x00")) > 0 {
			if x.count == 0 {
				return notTarError("it is no tar file: it begins with zeros, as disk images do")
			}
			return verify.Mismatchf("archive is damaged: something stands behind its end, after %d entries",
				x.count)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (x *Index) damaged(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return verify.Mismatchf("archive is cut off after %d entries (%d bytes)", x.count, x.size)
	case x.count == 0:
		return notTarError("it is no tar file" + notTar(x.r))
	}
	return verify.Mismatchf("archive is damaged after %d entries: %v", x.count, err)
}

func (x *Index) add(h *tar.Header, offset int64) error {
	if x.count++; x.count > limits.Entries {
		return verify.Mismatchf("archive has more than %d entries", limits.Entries)
	}
	if x.names += len(h.Name) + len(h.Linkname); x.names > limits.EntryNames {
		return verify.Mismatchf("the names of the archive's entries take more than %d bytes", limits.EntryNames)
	}
	sparse := isSparse(h)
	if sparse {
		if h.Size > max(maxHoles, x.size*maxPacked)-x.holes {
			return fmt.Errorf("entry %q is sparse and has %d bytes: "+
				"with the others that are too many for an archive of %d bytes", h.Name, h.Size, x.size)
		}
		x.holes += h.Size
	}
	if h.Size < 0 || h.Typeflag == tar.TypeReg && !sparse && h.Size > x.size-offset {
		return verify.Mismatchf("archive is cut off: entry %q needs %d bytes, %d are there",
			h.Name, h.Size, x.size-offset)
	}
	if h.Typeflag == tar.TypeXGlobalHeader || h.Typeflag == typeLabel {
		return nil // neither is a file
	}
	x.entries.add(Clean(h.Name), Entry{offset, h.Size, h.Linkname, h.Typeflag, sparse})
	return nil
}

// Clean makes the ways to write one name equal. What climbs out of the tar matches nothing, because names are
// keys.
func Clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// Has reports whether there is an entry with a cleaned name.
func (x *Index) Has(name string) bool { return x.entries.has(x.full(name)) }

// File is a regular file of a tar.
type File struct {
	index *Index
	name  string
	entry Entry
}

// Entry returns the place of the file, which in a [Stream] may be unknown until the file comes.
func (f *File) Entry() Entry {
	if f.entry.Offset >= 0 {
		return f.entry
	}
	var last Entry
	for last = range f.index.all(f.name) {
		continue
	}
	return last
}

// Open returns the content, which is not verified. It may be called any number of times and concurrently.
func (f *File) Open() *io.SectionReader { return f.index.content(f.Entry()) }

func (x *Index) content(e Entry) *io.SectionReader {
	if e.Sparse {
		return io.NewSectionReader(&sparseFile{x: x, entry: e}, 0, e.Size)
	}
	return io.NewSectionReader(x.r, e.Offset, e.Size)
}

// SHA256 hashes the content. It knows the hash of a file that has gone by in a stream.
func (f *File) SHA256(ctx context.Context) (digest.Digest, error) {
	return f.index.sum(f.Entry(), transfer.WithContext(ctx, f.Open()))
}

// Find looks up a regular file. It follows links inside the tar.
func (x *Index) Find(name string) (*File, error) {
	for n := range x.Trail(Clean(name)) {
		e, err := x.single(n)
		switch {
		case err != nil:
			return nil, err
		case e.IsFile():
			return &File{x, n, e}, nil
		case !e.isLink():
			return nil, verify.Mismatchf("entry %q is no regular file", name)
		}
	}
	return nil, verify.Mismatchf("entry %q: more than %d links one after another", name, maxLinks)
}

// Read returns the content of a file of at most limit bytes.
func (x *Index) Read(name string, limit int64) ([]byte, error) {
	f, err := x.Find(name)
	if err != nil {
		return nil, err
	}
	r := f.Open()
	if r.Size() > limit {
		return nil, verify.Mismatchf("entry %q has %d bytes, more than the %d that are accepted",
			name, r.Size(), limit)
	}
	raw := make([]byte, r.Size())
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// single returns the entry of a name. Several must be the same: tools differ in which one they take.
func (x *Index) single(name string) (Entry, error) {
	var first Entry
	n := 0
	for e := range x.all(name) {
		if n++; n > 1 {
			return first, x.checkSame(name, first)
		}
		first = e
	}
	if n == 0 && x.fault != nil {
		return first, x.hidden()
	}
	if n == 0 {
		return first, verify.Mismatchf("archive has no entry %q", name)
	}
	return first, nil
}

// checkSame compares all entries of a name with the first of them. It remembers those that are the same.
func (x *Index) checkSame(name string, first Entry) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.equal[name] {
		return nil
	}
	for other := range x.all(name) {
		if other == first {
			continue
		}
		same, err := x.same(first, other)
		if err != nil {
			return err
		}
		if !same {
			return verify.Mismatchf("archive is ambiguous: it has several entries %q that differ", name)
		}
	}
	x.equal[name] = true
	return nil
}

func (x *Index) same(a, b Entry) (bool, error) {
	if a.Kind != b.Kind || a.Size != b.Size || a.Link != b.Link || a.Sparse != b.Sparse || !a.IsFile() {
		a.Offset = b.Offset
		return a == b, nil
	}
	sumA, err := x.sum(a, x.content(a))
	if err != nil {
		return false, err
	}
	sumB, err := x.sum(b, x.content(b))
	return sumA == sumB, err
}

// sum hashes the content of a file, which r reads.
func (x *Index) sum(e Entry, r io.Reader) (digest.Digest, error) {
	if s, ok := x.r.(*heldStream); ok {
		if sum := s.hashOf(e.Offset); sum != "" {
			return sum, nil
		}
	}
	return digest.SHA256.FromReader(r)
}
