package tarfs

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"drayage/internal/transfer"
	"drayage/internal/verify"
)

// Scan reads a tar from a stream, once and to its end. The index holds small files of JSON, and the first
// bytes of all others. Reading more of those fails with an error that wraps [ErrGone]. Memory is bounded.
func Scan(ctx context.Context, r io.Reader) (*Index, error) {
	w, err := newWalk(ctx, r, "give the archive as a file", false)
	if err != nil {
		return nil, err
	}
	for {
		e, err := w.next()
		if err == io.EOF {
			return w.index, w.end()
		}
		if err != nil {
			return nil, err
		}
		if err := w.add(e); err != nil {
			return nil, err
		}
		if err := w.pass(e); err != nil {
			return nil, err
		}
	}
}

// walk goes over the entries of a tar in a stream.
type walk struct {
	held  *heldStream
	tar   *tar.Reader
	index *Index // of what has come by
}

// head is the header of an entry, and where its content begins.
type head struct {
	*tar.Header
	offset int64
}

// plain reports whether the entry is a file whose content is stored as it is.
func (h head) plain() bool { return h.Typeflag == tar.TypeReg && !isSparse(h.Header) }

// stored is how much of the stream is the content of the entry. Of a sparse file it tells nothing.
func (h head) stored() int64 {
	if h.plain() {
		return h.Size
	}
	return 0
}

// newWalk looks at the first block of a stream, and holds it. If all is set, it holds everything that follows
// too.
func newWalk(ctx context.Context, r io.Reader, gone string, all bool) (*walk, error) {
	held := newHeldStream(transfer.WithContext(ctx, r), gone)
	held.all = true
	var block [blockSize]byte
	n, err := io.ReadFull(held, block[:])
	if held.failed() != nil {
		return nil, held.failed()
	}
	size := int64(n)
	if err == nil {
		size = math.MaxInt64
	}
	held.pos, held.all = 0, all
	w := &walk{held, tar.NewReader(held), newIndex(held, math.MaxInt64, &table{})}
	return w, sniff(bytes.NewReader(block[:n]), size)
}

// next returns the next entry. After the last one the error is io.EOF.
func (w *walk) next() (head, error) {
	h, err := w.tar.Next()
	if err == nil || err == io.EOF {
		return head{h, w.held.at}, err
	}
	if err := w.held.failed(); err != nil {
		return head{}, err
	}
	w.index.size = w.held.at
	return head{}, w.index.damaged(err)
}

// add enters an entry. A sparse file counts too, but its content cannot be read.
func (w *walk) add(h head) error {
	if !isSparse(h.Header) {
		return w.index.add(h.Header, h.offset)
	}
	plain := *h.Header
	plain.Typeflag, plain.PAXRecords, plain.Size = tar.TypeReg, nil, 0
	if err := w.index.add(&plain, h.offset); err != nil {
		return err
	}
	w.index.entries.replace(Clean(h.Name), Entry{Offset: -1, Size: h.Size, Kind: tar.TypeReg})
	return nil
}

// pass lets the content of an entry go by. It holds what looks like JSON, if there is room.
func (w *walk) pass(h head) error {
	size := h.stored()
	w.held.begin(h.Name, size, false, false)
	if size == 0 || !w.held.fits(min(size, blockSize)) {
		return nil
	}
	first, err := w.held.peek()
	if err != nil {
		return err
	}
	text := bytes.TrimLeft(first, " \t\r\n")
	if len(text) > 0 && (text[0] == '{' || text[0] == '[') && w.held.fits(size) {
		w.held.hold()
	}
	return nil
}

// end reads what stands behind the last entry.
func (w *walk) end() error {
	w.held.begin("", 0, true, false)
	err := w.index.checkEnd(w.held)
	w.index.size = w.held.at
	return err
}

// Stream reads a tar from a stream in one go. [NewStream] holds its beginning, up to the first large file.
// After that there are three ways on. If all of the tar is there, [Stream.Whole] has it. [Stream.Rest] gives
// the whole stream, so that it can be copied to where it can be read at any place. Or the caller tells from
// [Stream.Plan] what files must still come, names them with [Stream.Expect], and goes through them with
// [Stream.Next]. Memory is bounded. A Stream is for one goroutine. Another one may read the file that Next
// has come to.
type Stream struct {
	*walk
	whole    bool
	large    *head // the first large entry, until Next goes on with it
	plan     *Index
	expected map[string]bool // names; false when the file has come
}

// NewStream reads the beginning of the uncompressed tar in r.
func NewStream(ctx context.Context, r io.Reader) (*Stream, error) {
	w, err := newWalk(ctx, r, "run the same command again, what has arrived is skipped", true)
	if err != nil {
		return nil, err
	}
	s := &Stream{walk: w, expected: map[string]bool{}}
	for {
		e, err := s.next()
		if err == io.EOF {
			s.whole, s.held.all = true, false // what is behind the end is not held, however long it is
			return s, s.end()
		}
		if err != nil {
			return nil, err
		}
		if isSparse(e.Header) || !s.held.fits(e.stored()) {
			s.large = &e
			return s, nil
		}
		s.held.begin(e.Name, e.stored(), true, false)
		if err := s.add(e); err != nil {
			return nil, err
		}
	}
}

// Whole returns the tar if it is so small that all of it is held, or nil.
func (s *Stream) Whole() *Index {
	if s.whole {
		return s.index
	}
	return nil
}

// Rest returns the stream from its beginning, with what has been read already. Nothing else may be called
// after it.
func (s *Stream) Rest() io.Reader { return s.held.rest() }

// Plan returns an index of what has come, and of what the caller expects.
func (s *Stream) Plan() *Index {
	first := s.index.entries
	s.plan = newIndex(s.held, s.index.size, first.fork())
	s.index.entries = first.fork()
	return s.plan
}

// Expect enters a file into the plan that is still to come, unless the plan has its name already. Nothing can
// be read of it until then.
func (s *Stream) Expect(name string, size int64) {
	if !s.plan.Has(name) {
		s.plan.entries.add(name, Entry{Offset: -1, Size: size, Kind: tar.TypeReg})
		s.expected[name] = true
	}
}

// Awaits reports whether an expected file with that name is still to come.
func (s *Stream) Awaits(name string) bool { return s.expected[name] }

// Next goes on to the next expected file and returns its name. The file can be read then, once and forwards,
// until Next is called again. Only as long as it is short can it be read from the beginning again. The error
// is io.EOF when the whole tar has gone by, all expected files have come, and no entry has come again with
// other content.
func (s *Stream) Next(ctx context.Context) (string, error) {
	for {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		e, err := s.entry()
		if err == io.EOF {
			return "", s.finish()
		}
		if err != nil {
			return "", err
		}
		if err := s.add(e); err != nil {
			return "", err
		}
		name := Clean(e.Name)
		if s.expected[name] {
			return name, s.arrive(e, name)
		}
		if err := s.pass(e); err != nil {
			return "", err
		}
	}
}

func (s *Stream) entry() (head, error) {
	if e := s.large; e != nil {
		s.large, s.held.all = nil, false
		return *e, nil
	}
	return s.next()
}

// arrive lets an expected file be read.
func (s *Stream) arrive(h head, name string) error {
	if !h.plain() {
		return fmt.Errorf("entry %q is a link or no plain file, which cannot be followed in a stream: "+
			"give the archive as a file", h.Name)
	}
	s.expected[name] = false
	var last Entry
	for last = range s.index.all(name) {
		continue // the last one has just come
	}
	s.plan.entries.replace(name, last)
	s.held.begin(h.Name, h.Size, false, true)
	_, err := s.held.peek()
	return err
}

// finish checks the whole tar. It returns io.EOF if that is what the plan has made of its beginning.
func (s *Stream) finish() error {
	if err := s.end(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.expected)) {
		if s.expected[name] {
			return fmt.Errorf("archive has no entry %q: %w", name, verify.ErrMismatch)
		}
	}
	for name := range s.plan.entries.each(false) {
		if _, err := s.index.single(name); err != nil {
			return err
		}
	}
	return io.EOF
}

// Index returns the index of what has come by: after the end, of the whole tar.
func (s *Stream) Index() *Index { return s.index }
