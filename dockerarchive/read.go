package dockerarchive

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"drayage/internal/compression"
	"drayage/internal/jsonkeys"
)

// Limits on what an archive can make us hold. Real archives have some hundred entries.
const (
	maxEntries      = 200_000
	maxNames        = 16 << 20 // bytes of all names and link targets together
	maxManifestJSON = 16 << 20
	maxConfigs      = 64 << 20 // bytes of all configurations together
	maxLinks        = 8
)

// ErrNotImage is wrapped by errors about input that is no saved image.
var ErrNotImage = errors.New("not a saved image")

// Reader gives access to a saved tar, which is read in place: its entries are found once and nothing is ever
// unpacked by a name that stands in it. It may be used concurrently.
type Reader struct {
	r       io.ReaderAt
	size    int64
	root    string // the directory that the images are in
	entries *table // by cleaned name
	count   int
	names   int   // bytes of names
	holes   int64 // bytes of files with holes

	mu    sync.Mutex
	equal map[string]bool // names that repeat, and whose entries have been found to be the same
}

// Types of GNU tar's: the name of a whole archive, and a directory with a list of what was in it.
const (
	typeLabel   = 'V'
	typeDumpDir = 'D'
)

// span is where an entry's content lies; of a sparse file, where its header begins.
type span struct {
	offset, size int64
	kind         byte
	link         string
	sparse       bool
}

// NewReader finds the entries of the tar in r, which is size bytes long and uncompressed. r stays in use and is
// the caller's to close.
func NewReader(r io.ReaderAt, size int64) (*Reader, error) {
	if err := sniff(r, size); err != nil {
		return nil, err
	}
	a := &Reader{r: r, size: size, entries: &table{}, equal: map[string]bool{}}
	section := &heads{SectionReader: io.NewSectionReader(r, 0, size)}
	tr := tar.NewReader(section)
	for {
		section.wanted = true
		h, err := tr.Next()
		if err == io.EOF {
			a.enter()
			return a, a.checkEnd(section)
		}
		if err != nil {
			return nil, a.damaged(err)
		}
		offset, err := section.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if isSparse(h) {
			offset = section.head
		}
		if err := a.add(h, offset); err != nil {
			return nil, err
		}
	}
}

// checkEnd refuses an archive behind whose end something stands: tools differ in whether they read that too.
func (a *Reader) checkEnd(rest io.Reader) error {
	var buf [32 << 10]byte
	for {
		n, err := rest.Read(buf[:])
		if len(bytes.TrimLeft(buf[:n], "\x00")) > 0 {
			if a.count == 0 {
				return fmt.Errorf("%w: it is no tar file: it begins with zeros, as disk images do", ErrNotImage)
			}
			return fmt.Errorf("archive is damaged: something stands behind its end, after %d entries: %w", a.count, ErrIntegrity)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// sniff names input that is no tar at all.
func sniff(r io.ReaderAt, size int64) error {
	prefix := make([]byte, blockSize)
	n, err := r.ReadAt(prefix, 0)
	if err != nil && err != io.EOF {
		return err
	}
	prefix = prefix[:n]
	kind := compression.Detect(prefix)
	switch {
	case size == 0:
		return fmt.Errorf("%w: the file is empty", ErrNotImage)
	case kind != compression.None:
		return fmt.Errorf("%w: it is compressed (%s)", ErrNotImage, kind)
	case size < blockSize || len(bytes.Trim(prefix, "\x00")) > 0 && !bytes.HasPrefix(prefix[257:], []byte("ustar")) && !plausibleV7(prefix):
		return fmt.Errorf("%w: it is no tar file%s", ErrNotImage, notTar(r))
	case len(bytes.Trim(prefix, "\x00")) == 0 && isISO(r):
		return fmt.Errorf("%w: it is no tar file%s", ErrNotImage, notTar(r))
	}
	return nil
}

// plausibleV7 lets through tar headers from before the magic was invented: archive/tar checks their sums.
func plausibleV7(block []byte) bool {
	for _, c := range bytes.Trim(block[100:107], " \x00") {
		if c < '0' || c > '7' {
			return false
		}
	}
	return true
}

func (a *Reader) add(h *tar.Header, offset int64) error {
	if a.count++; a.count > maxEntries {
		return wrongf("archive has more than %d entries", maxEntries)
	}
	if a.names += len(h.Name) + len(h.Linkname); a.names > maxNames {
		return wrongf("the names of the archive's entries take more than %d bytes", maxNames)
	}
	sparse := isSparse(h)
	if sparse {
		if err := a.addSparse(h); err != nil {
			return err
		}
	}
	if h.Size < 0 || h.Typeflag == tar.TypeReg && !sparse && h.Size > a.size-offset {
		return fmt.Errorf("archive is cut off: entry %q needs %d bytes, %d are there: %w", h.Name, h.Size, a.size-offset, ErrIntegrity)
	}
	if h.Typeflag == tar.TypeXGlobalHeader || h.Typeflag == typeLabel {
		return nil // neither is a file
	}
	name := clean(h.Name)
	a.entries.add(name, span{offset: offset, size: h.Size, kind: h.Typeflag, link: h.Linkname, sparse: sparse})
	return nil
}

func (a *Reader) damaged(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("archive is cut off after %d entries (%d bytes): %w", a.count, a.size, ErrIntegrity)
	case a.count == 0:
		return fmt.Errorf("%w: it is no tar file%s", ErrNotImage, notTar(a.r))
	}
	return fmt.Errorf("archive is damaged after %d entries: %v: %w", a.count, err, ErrIntegrity)
}

// clean makes the ways to write one name equal. Names are keys here and never paths, so what climbs out
// of the archive just matches nothing.
func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// find returns the content of a regular file, following links inside the archive.
func (a *Reader) find(name string) (*io.SectionReader, error) {
	s, err := a.stored(name)
	if err != nil {
		return nil, err
	}
	return s.open(), nil
}

// stored is a regular file of the archive.
type stored struct {
	a *Reader
	span
}

// open may be called any number of times and concurrently.
func (s *stored) open() *io.SectionReader {
	if s.sparse {
		return io.NewSectionReader(&sparseFile{s: s}, 0, s.size)
	}
	return io.NewSectionReader(s.a.r, s.offset, s.size)
}

// stored looks up a regular file, following links inside the archive.
func (a *Reader) stored(name string) (*stored, error) {
	asked := name
	name = clean(name)
	for range maxLinks {
		s, err := a.single(name)
		if err != nil {
			return nil, err
		}
		switch s.kind {
		case tar.TypeReg, tar.TypeGNUSparse:
			return &stored{a, s}, nil
		case tar.TypeSymlink, tar.TypeLink:
			name = a.target(name, s)
		default:
			return nil, wrongf("entry %q is no regular file", asked)
		}
	}
	return nil, wrongf("entry %q: more than %d links one after another", asked, maxLinks)
}

// single returns the entry of a name. Tools differ in which of several they take, so several are
// accepted only if they are the same.
func (a *Reader) single(name string) (span, error) {
	first, n := span{}, 0
	for s := range a.all(name) {
		if n++; n > 1 {
			break
		}
		first = s
	}
	switch n {
	case 0:
		return first, wrongf("archive has no entry %q", name)
	case 1:
		return first, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.equal[name] {
		return first, nil
	}
	for other := range a.all(name) {
		same, err := other == first, error(nil)
		if !same {
			same, err = a.same(first, other)
		}
		if err != nil {
			return span{}, err
		}
		if !same {
			return span{}, wrongf("archive is ambiguous: it has several entries %q that differ", name)
		}
	}
	a.equal[name] = true
	return first, nil
}

func (a *Reader) same(x, y span) (bool, error) {
	if x.kind != y.kind || x.size != y.size || x.link != y.link || x.sparse != y.sparse {
		return false, nil
	}
	if x.kind != tar.TypeReg && !x.sparse {
		return true, nil
	}
	if t, ok := a.r.(*tape); ok {
		return t.same(x, y)
	}
	rx, ry := (&stored{a, x}).open(), (&stored{a, y}).open()
	var bx, by [32 << 10]byte
	for off := int64(0); off < x.size; off += int64(len(bx)) {
		n := min(int64(len(bx)), x.size-off)
		if _, err := io.ReadFull(rx, bx[:n]); err != nil {
			return false, err
		}
		if _, err := io.ReadFull(ry, by[:n]); err != nil {
			return false, err
		}
		if !bytes.Equal(bx[:n], by[:n]) {
			return false, nil
		}
	}
	return true, nil
}

// readSmall returns a file of the archive that has to fit in memory.
func (a *Reader) readSmall(name string, limit int64) ([]byte, error) {
	s, err := a.find(name)
	if err != nil {
		return nil, err
	}
	if s.Size() > limit {
		return nil, wrongf("entry %q has %d bytes, more than the %d that are accepted", name, s.Size(), limit)
	}
	raw := make([]byte, s.Size())
	if _, err := io.ReadFull(s, raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// readJSON returns a file of the archive as it is to be parsed.
func (a *Reader) readJSON(name string, limit int64) ([]byte, error) {
	raw, err := a.readSmall(name, limit)
	if err != nil {
		return nil, err
	}
	if err := jsonkeys.Bounded(raw); err != nil {
		return nil, wrongf("entry %q is too large: %v", name, err)
	}
	return raw, nil
}
