package dockerarchive

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"math"

	"drayage/internal/transfer"
)

// Skim reads a tar from a stream, once and to its end, and holds of it what describes images: small files of JSON, and of
// all others the first bytes. Reading more of these from the Reader fails with an error that wraps [ErrGone]. Memory is bounded.
func Skim(ctx context.Context, r io.Reader) (*Reader, error) {
	s := newScan(ctx, r, "give the archive as a file")
	if err := s.sniff(); err != nil {
		return nil, err
	}
	for {
		h, offset, err := s.next()
		if err == io.EOF {
			return s.reader, s.end()
		}
		if err != nil {
			return nil, err
		}
		if err := s.add(h, offset); err != nil {
			return nil, err
		}
		if err := s.pass(h); err != nil {
			return nil, err
		}
	}
}

// scan goes over the entries of a tar on a tape.
type scan struct {
	tape   *tape
	tar    *tar.Reader
	reader *Reader // of what has come by
}

func newScan(ctx context.Context, r io.Reader, gone string) *scan {
	t := newTape(transfer.WithContext(ctx, r), gone)
	return &scan{tape: t, tar: tar.NewReader(t), reader: &Reader{r: t, size: math.MaxInt64, entries: &table{}, equal: map[string]bool{}}}
}

// sniff names input that is no tar. What it reads stays held.
func (s *scan) sniff() error {
	all := s.tape.all
	s.tape.all = true
	defer func() { s.tape.all = all }()
	var block [blockSize]byte
	n, err := io.ReadFull(s.tape, block[:])
	if s.tape.failed() != nil {
		return s.tape.failed()
	}
	size := int64(n)
	if err == nil {
		size = math.MaxInt64
	}
	s.tape.pos = 0
	return sniff(bytes.NewReader(block[:n]), size)
}

// next returns the next entry and where its content begins.
func (s *scan) next() (*tar.Header, int64, error) {
	h, err := s.tar.Next()
	if err == nil || err == io.EOF {
		return h, s.tape.at, err
	}
	if err := s.tape.failed(); err != nil {
		return nil, 0, err
	}
	s.reader.size = s.tape.at
	return nil, 0, s.reader.damaged(err)
}

// add enters what has come.
func (s *scan) add(h *tar.Header, offset int64) error {
	if !isSparse(h) {
		return s.reader.add(h, offset)
	}
	plain := *h
	plain.Typeflag, plain.PAXRecords, plain.Size = tar.TypeReg, nil, 0
	if err := s.reader.add(&plain, offset); err != nil {
		return err
	}
	s.reader.entries.replace(clean(h.Name), span{offset: -1, size: h.Size, kind: tar.TypeReg}) // it counts, and cannot be read
	return nil
}

// pass lets the content go by, or be held if it looks like JSON and there is room.
func (s *scan) pass(h *tar.Header) error {
	size := contentSize(h)
	s.tape.begin(h.Name, size, false, false)
	if size == 0 || !s.tape.room(min(size, blockSize)) {
		return nil
	}
	head, err := s.tape.peek()
	if err != nil {
		return err
	}
	text := bytes.TrimLeft(head, " \t\r\n")
	if len(text) > 0 && (text[0] == '{' || text[0] == '[') && s.tape.room(size) {
		s.tape.hold()
	}
	return nil
}

// contentSize is how much of the stream is the content of an entry that is a plain file.
func contentSize(h *tar.Header) int64 {
	if h.Typeflag != tar.TypeReg || isSparse(h) {
		return 0
	}
	return h.Size
}

// end reads what stands behind the last entry.
func (s *scan) end() error {
	s.tape.begin("", 0, true, false)
	s.reader.enter()
	err := s.reader.checkEnd(s.tape)
	s.reader.size = s.tape.at
	return err
}
