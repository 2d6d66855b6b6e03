package tarfs

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sort"
	"sync"

	"github.com/opencontainers/go-digest"

	"drayage/internal/verify"
)

// Limits on what is held of a stream. Only tests change them.
var (
	MaxHeldFile int64 = 8 << 20  // bytes of one file
	MaxHeld     int64 = 16 << 20 // bytes of all files, headers included
)

const (
	heldChunk   = 256 << 10
	segmentCost = 32 // bytes of a segment besides its data
)

// ErrGone is wrapped by errors about a part of a stream that has passed by and was too large to hold.
var ErrGone = errors.New("it has passed by in the stream")

// heldStream is a stream that is asked like an io.ReaderAt: for what it holds of the past, and for the file
// that it has come to, which it reads forwards. It may be used concurrently.
type heldStream struct {
	r    io.Reader
	gone error // what to say of a place that is not held

	mu     sync.Mutex
	at     int64 // bytes read from r
	pos    int64 // where Read goes on: at, unless ReadAt has come further
	err    error // of r, after which nothing more comes
	all    bool  // everything is held
	held   []segment
	room   []byte                  // the end of the newest chunk, which no segment has taken yet
	kept   int64                   // bytes that all this takes
	file   passing                 // that the stream has come to
	spare  []byte                  // the memory of file.replay, one for all files
	hashes map[int64]digest.Digest // of files that are not held, by the place of their content
}

// segment is a held part of the stream. Segments are in order, do not overlap, and share chunks of memory.
type segment struct {
	offset int64
	data   []byte
}

func (s segment) end() int64 { return s.offset + int64(len(s.data)) }

// hasRoom reports whether the last segment can grow into its chunk.
func (s segment) hasRoom() bool { return len(s.data) < cap(s.data) }

type passing struct {
	name       string
	start, end int64
	hold       bool
	hash       hash.Hash // nil if all of the file is held
	replays    bool
	replay     []byte // the first bytes, which can be read again until the next file comes
}

func newHeldStream(r io.Reader, gone string) *heldStream {
	return &heldStream{r: r, gone: fmt.Errorf("%w: %s", ErrGone, gone), hashes: map[int64]digest.Digest{}}
}

// begin says that the content of a file comes next. It is hashed unless it is held. If it replays, it can be
// read again from its beginning as long as it is short.
func (s *heldStream) begin(name string, size int64, hold, replays bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file = passing{name: name, start: s.at, end: s.at + size, hold: hold, replays: replays}
	if !hold && size > 0 {
		s.file.hash = sha256.New()
	}
}

// Read implements io.Reader for tar.Reader, which reads headers and skips the content of files. So of content
// that has passed by and is not held it gives zeros.
func (s *heldStream) Read(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if behind := s.at - s.pos; behind > 0 {
		n = int(min(int64(len(p)), behind))
		clear(p[s.copyHeld(p[:n], s.pos):n])
	} else {
		n, err = s.next(p)
	}
	s.pos += int64(n)
	return n, err
}

func (s *heldStream) ReadAt(p []byte, offset int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(p) {
		if m := s.copyHeld(p[n:], offset+int64(n)); m > 0 {
			n += m
			continue
		}
		if offset+int64(n) != s.at || !s.inFile() {
			return n, s.gone
		}
		m, err := s.next(p[n:])
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (s *heldStream) inFile() bool { return s.at >= s.file.start && s.at < s.file.end }

// next reads on, but not beyond the end of a file's content. A stream that ends inside a file is cut off.
func (s *heldStream) next(p []byte) (int, error) {
	inside := s.inFile()
	if inside {
		p = p[:min(int64(len(p)), s.file.end-s.at)]
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.take(p[:n], inside)
	if err != nil {
		if s.err = err; inside && s.inFile() && errors.Is(err, io.EOF) {
			s.err = verify.Mismatchf("archive is cut off: entry %q needs %d bytes, %d are there",
				s.file.name, s.file.end-s.file.start, s.at-s.file.start)
		}
	}
	if n > 0 {
		return n, nil // the error comes again
	}
	return 0, s.err
}

func (s *heldStream) take(p []byte, inside bool) {
	f := &s.file
	switch {
	case s.all || inside && f.hold:
		s.keep(p)
	case inside && f.replays:
		if int64(len(f.replay)+len(p)) > MaxHeldFile {
			f.replay, f.replays = nil, false
		} else {
			f.replay = append(f.replay, p...)
		}
	}
	s.at += int64(len(p))
	if !inside || f.hash == nil {
		return
	}
	f.hash.Write(p)
	if s.at == f.end {
		s.hashes[f.start] = digest.NewDigest(digest.SHA256, f.hash)
	}
}

func (s *heldStream) keep(p []byte) {
	s.kept += int64(len(p))
	for offset := s.at; len(p) > 0; {
		if len(s.room) == 0 {
			s.room = make([]byte, heldChunk)
		}
		n := copy(s.room, p)
		last := len(s.held) - 1
		if last >= 0 && s.held[last].end() == offset && s.held[last].hasRoom() {
			s.held[last].data = s.held[last].data[:len(s.held[last].data)+n]
		} else {
			s.held = append(s.held, segment{offset, s.room[:n]})
			s.kept += segmentCost
		}
		s.room, p, offset = s.room[n:], p[n:], offset+int64(n)
	}
}

// copyHeld copies what is held from offset on, up to a gap.
func (s *heldStream) copyHeld(p []byte, offset int64) int {
	n := 0
	for n < len(p) {
		from := offset + int64(n)
		i := sort.Search(len(s.held), func(i int) bool { return s.held[i].offset > from }) - 1
		if i >= 0 && from < s.held[i].end() {
			n += copy(p[n:], s.held[i].data[from-s.held[i].offset:])
		} else if within := from - s.file.start; within >= 0 && within < int64(len(s.file.replay)) {
			n += copy(p[n:], s.file.replay[within:])
		} else {
			return n
		}
	}
	return n
}

// peek holds the first bytes of the file that comes next, and returns them.
func (s *heldStream) peek() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	head := make([]byte, min(blockSize, s.file.end-s.at))
	start, hold := s.at, s.file.hold
	s.file.hold = true
	defer func() { s.file.hold = hold }()
	if start+int64(len(head)) == s.file.end {
		s.file.hash = nil // all of the file is held then
	}
	for s.at-start < int64(len(head)) {
		if _, err := s.next(head[s.at-start:]); err != nil {
			return nil, err
		}
	}
	if s.file.replays {
		if s.spare == nil {
			s.spare = make([]byte, 0, MaxHeldFile)
		}
		s.file.replay = append(s.spare, head...)
	}
	return head, nil
}

func (s *heldStream) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file.hold, s.file.hash = true, nil
}

func (s *heldStream) fits(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return size <= MaxHeldFile && s.kept+size <= MaxHeld
}

// failed is the error that has ended the stream, unless that is its regular end.
func (s *heldStream) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.err, io.EOF) || errors.Is(s.err, io.ErrUnexpectedEOF) {
		return nil
	}
	return s.err
}

// rest returns the whole stream from its beginning. Nothing is held any more.
func (s *heldStream) rest() io.Reader {
	var all []io.Reader
	for _, part := range s.held {
		all = append(all, bytes.NewReader(part.data))
	}
	s.held, s.room = nil, nil // so that memory is free as soon as it has been read
	return io.MultiReader(append(all, s.r)...)
}

// hashOf returns the hash of the content at a place, or "" if the content is held.
func (s *heldStream) hashOf(offset int64) digest.Digest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hashes[offset]
}
