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
	s, err := open(ctx, r, "give the archive as a file")
	if err != nil {
		return nil, err
	}
	for {
		h, err := s.next()
		if err == io.EOF {
			return s.index, s.end()
		}
		if err == nil {
			err = s.add(h)
		}
		if err == nil {
			err = s.pass(h)
		}
		if err != nil {
			return nil, err
		}
	}
}

// Stream reads a tar from a stream in one go. [NewStream] holds its beginning, up to the first large file.
// After that there are three ways on: [Stream.Whole] tells that everything is there, [Stream.Rest] gives the
// whole stream to be copied, and [Stream.Plan], [Stream.Expect] and [Stream.Next] go through the files that
// the caller expects. Memory is bounded. A Stream is for one goroutine. Another one may read the file that
// Next has come to.
type Stream struct {
	held     *heldStream
	tar      *tar.Reader
	index    *Index // of what has come by
	whole    bool
	large    *header // of the first large file, until Next goes on with it
	plan     *Index
	expected map[string]bool // by name; false when the file has come
}

type header struct {
	*tar.Header
	offset int64 // of the content
}

// isPlain reports whether the entry is a file that is stored with its holes.
func (h header) isPlain() bool { return h.Typeflag == tar.TypeReg && !isSparse(h.Header) }

func (h header) content() int64 {
	if h.isPlain() {
		return h.Size
	}
	return 0
}

// open looks at the first block of a stream, and holds it.
func open(ctx context.Context, r io.Reader, gone string) (*Stream, error) {
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
	held.pos, held.all = 0, false
	index := newIndex(held, math.MaxInt64, newTable(nil))
	s := &Stream{held: held, tar: tar.NewReader(held), index: index, expected: map[string]bool{}}
	return s, sniff(bytes.NewReader(block[:n]), size)
}

// NewStream reads the beginning of the uncompressed tar in r.
func NewStream(ctx context.Context, r io.Reader) (*Stream, error) {
	s, err := open(ctx, r, "run the same command again, what has arrived is skipped")
	if err != nil {
		return nil, err
	}
	s.held.all = true
	for {
		h, err := s.next()
		if err == io.EOF {
			s.whole, s.held.all = true, false // what is behind the end is not held, however long it is
			return s, s.end()
		}
		if err == nil && (isSparse(h.Header) || !s.held.fits(h.content())) {
			s.large = &h
			return s, nil
		}
		if err == nil {
			s.held.begin(h.Name, h.content(), true, false)
			err = s.add(h)
		}
		if err != nil {
			return nil, err
		}
	}
}

// next returns the next entry. After the last one the error is io.EOF.
func (s *Stream) next() (header, error) {
	if h := s.large; h != nil {
		s.large, s.held.all = nil, false
		return *h, nil
	}
	h, err := s.tar.Next()
	if err == nil || err == io.EOF {
		return header{h, s.held.at}, err
	}
	if err := s.held.failed(); err != nil {
		return header{}, err
	}
	s.index.size = s.held.at
	return header{}, s.index.damaged(err)
}

// add enters an entry. The content of a sparse file cannot be read.
func (s *Stream) add(h header) error {
	if !isSparse(h.Header) {
		return s.index.add(h.Header, h.offset)
	}
	plain := *h.Header
	plain.Typeflag, plain.PAXRecords, plain.Size = tar.TypeReg, nil, 0
	if err := s.index.add(&plain, h.offset); err != nil {
		return err
	}
	s.index.entries.replace(Clean(h.Name), Entry{Offset: -1, Size: h.Size, Kind: tar.TypeReg})
	return nil
}

// pass lets the content of an entry go by. It holds what looks like JSON, if there is room.
func (s *Stream) pass(h header) error {
	size := h.content()
	s.held.begin(h.Name, size, false, false)
	if size == 0 || !s.held.fits(min(size, blockSize)) {
		return nil
	}
	first, err := s.held.peek()
	if err != nil {
		return err
	}
	text := bytes.TrimLeft(first, " \t\r\n")
	if len(text) > 0 && (text[0] == '{' || text[0] == '[') && s.held.fits(size) {
		s.held.hold()
	}
	return nil
}

func (s *Stream) end() error {
	s.held.begin("", 0, true, false)
	err := s.index.checkEnd(s.held)
	s.index.size = s.held.at
	return err
}

// Index returns the index of what has come by: after the end, of the whole tar.
func (s *Stream) Index() *Index { return s.index }

// Whole reports whether the tar is so small that all of it is held.
func (s *Stream) Whole() bool { return s.whole }

// Rest returns the stream from its beginning, with what has been read already. Nothing else may be called
// after it.
func (s *Stream) Rest() io.Reader { return s.held.rest() }

// Plan returns an index of what has come, and of what the caller expects.
func (s *Stream) Plan() *Index {
	first := s.index.entries
	s.plan = newIndex(s.held, s.index.size, newTable(first))
	s.index.entries = newTable(first)
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

// Next goes on to the next expected file and returns its name. Until the next call the file can be read once
// and forwards, and a short one again from its beginning. The error is io.EOF when the whole tar has gone by,
// all expected files have come, and no entry has come again with other content.
func (s *Stream) Next(ctx context.Context) (string, error) {
	for {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		h, err := s.next()
		if err == io.EOF {
			return "", s.finish()
		}
		if err == nil {
			err = s.add(h)
		}
		if err != nil {
			return "", err
		}
		if name := Clean(h.Name); s.expected[name] {
			return name, s.arrive(h, name)
		}
		if err := s.pass(h); err != nil {
			return "", err
		}
	}
}

func (s *Stream) arrive(h header, name string) error {
	if !h.isPlain() {
		return fmt.Errorf("entry %q is a link or no plain file, which cannot be followed in a stream: "+
			"give the archive as a file", h.Name)
	}
	s.expected[name] = false
	s.plan.entries.replace(name, Entry{Offset: h.offset, Size: h.Size, Kind: h.Typeflag})
	s.held.begin(h.Name, h.Size, false, true)
	_, err := s.held.peek()
	return err
}

// finish checks the whole tar. It returns io.EOF if the tar holds what the plan expects.
func (s *Stream) finish() error {
	if err := s.end(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.expected)) {
		if s.expected[name] {
			return verify.Mismatchf("archive has no entry %q", name)
		}
	}
	for name := range s.plan.entries.each(false) {
		if _, err := s.index.single(name); err != nil {
			return err
		}
	}
	return io.EOF
}
