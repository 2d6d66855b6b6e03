package dockerarchive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sort"
	"sync"
)

// Limits on what is held of an archive that is read from a stream. Tests set smaller ones.
var (
	maxHeldEntry int64 = 8 << 20  // bytes of a file that is held
	maxHeld      int64 = 16 << 20 // bytes of all of them, headers included
)

const (
	heldChunk   = 256 << 10
	segmentCost = 24 // bytes that it takes to know where a part is
)

// ErrGone is wrapped by errors about what has passed by in a stream and was too large to hold.
var ErrGone = errors.New("it has passed by in the stream")

// tape is a tar that comes as a stream: it can be read at any place that is held, and goes on where it has come to. It may
// be used concurrently.
type tape struct {
	r    io.Reader
	gone error // what to say of a place that is not held

	mu     sync.Mutex
	at     int64 // bytes read from r
	pos    int64 // where Read goes on; tar.Reader skips with Seek
	err    error // of r, after which nothing more comes
	all    bool  // everything is held
	held   []segment
	chunks [][]byte // what is held, with nothing in between
	kept   int64    // bytes that this takes
	cur    current
	spare  []byte   // of cur.replay
	waste  []byte   // for what is forgotten
	hashes []hashed // of files that are not held, in order
}

// segment is a part of the stream that is held. Segments are in order and do not overlap. There may be one for each file.
type segment struct {
	offset    int64
	chunk, at int32 // where it is in chunks
	size      int32
}

// hashed is the hash of the content that begins at a place.
type hashed struct {
	offset int64
	sum    [sha256.Size]byte
}

// current is the content of the file that the stream has come to.
type current struct {
	name       string
	start, end int64
	hold       bool
	hash       hash.Hash // nil if it is held
	replay     []byte    // the first bytes, from which reading may begin again while nothing is behind them
	replays    bool
}

func newTape(r io.Reader, gone string) *tape {
	return &tape{r: r, gone: fmt.Errorf("%w: %s", ErrGone, gone)}
}

// begin says that the content of a file comes next. What is not held is hashed; replays lets it be read again from its
// beginning as long as it is short.
func (t *tape) begin(name string, size int64, hold, replays bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cur = current{name: name, start: t.at, end: t.at + size, hold: hold, replays: replays}
	if !hold && size > 0 {
		t.cur.hash = sha256.New()
	}
}

// Read implements io.Reader for the headers. Of what lies behind and is not held it gives zeros: whoever asks skips it.
func (t *tape) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.pos > t.at {
		if err := t.skip(t.pos - t.at); err != nil {
			return 0, err
		}
	}
	var n int
	var err error
	if behind := t.at - t.pos; behind > 0 {
		n = int(min(int64(len(p)), behind))
		if m := t.copyHeld(p[:n], t.pos); m < n {
			clear(p[m:n])
		}
	} else {
		n, err = t.next(p)
	}
	t.pos += int64(n)
	return n, err
}

// Seek implements io.Seeker, relative to where Read has come to.
func (t *tape) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || offset < 0 {
		return 0, errors.New("a stream goes forward only")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pos += offset
	return t.pos, nil
}

// ReadAt implements io.ReaderAt.
func (t *tape) ReadAt(p []byte, offset int64) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for n < len(p) {
		if m := t.copyHeld(p[n:], offset+int64(n)); m > 0 {
			n += m
			continue
		}
		if offset+int64(n) != t.at || t.at < t.cur.start || t.at >= t.cur.end {
			return n, t.gone
		}
		m, err := t.next(p[n:])
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// next reads on. It does not go beyond the end of a file's content, and there is no end of the stream inside one.
func (t *tape) next(p []byte) (int, error) {
	inside := t.at >= t.cur.start && t.at < t.cur.end
	if inside {
		p = p[:min(int64(len(p)), t.cur.end-t.at)]
	}
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.r.Read(p)
	t.take(p[:n], inside)
	if err != nil {
		if t.err = err; inside && t.at < t.cur.end && errors.Is(err, io.EOF) {
			t.err = fmt.Errorf("archive is cut off: entry %q needs %d bytes, %d are there: %w", t.cur.name, t.cur.end-t.cur.start, t.at-t.cur.start, ErrIntegrity)
		}
	}
	if n > 0 {
		err = nil // it comes again
	} else if err != nil {
		err = t.err
	}
	return n, err
}

// take notes what has been read.
func (t *tape) take(p []byte, inside bool) {
	c := &t.cur
	switch {
	case t.all || inside && c.hold:
		t.keep(p)
	case inside && c.replays:
		if int64(len(c.replay)+len(p)) > maxHeldEntry {
			c.replay, c.replays = nil, false
		} else {
			c.replay = append(c.replay, p...)
		}
	}
	t.at += int64(len(p))
	if !inside || c.hash == nil {
		return
	}
	c.hash.Write(p)
	if t.at == c.end {
		t.hashes = append(t.hashes, hashed{c.start, [sha256.Size]byte(c.hash.Sum(nil))})
	}
}

func (t *tape) keep(p []byte) {
	t.kept += int64(len(p))
	for offset := t.at; len(p) > 0; {
		n := len(t.chunks) - 1
		if n < 0 || len(t.chunks[n]) == heldChunk {
			t.chunks = append(t.chunks, make([]byte, 0, heldChunk))
			n++
		}
		at := len(t.chunks[n])
		size := min(len(p), heldChunk-at)
		t.chunks[n] = append(t.chunks[n], p[:size]...)
		t.note(segment{offset, int32(n), int32(at), int32(size)})
		p, offset = p[size:], offset+int64(size)
	}
}

// note notes that one more segment is held, which may go on where the last one ends.
func (t *tape) note(s segment) {
	if n := len(t.held); n > 0 {
		last := &t.held[n-1]
		if last.offset+int64(last.size) == s.offset && last.chunk == s.chunk && last.at+last.size == s.at {
			last.size += s.size
			return
		}
	}
	t.kept += segmentCost
	t.held = append(t.held, s)
}

func (t *tape) data(s segment) []byte { return t.chunks[s.chunk][s.at : s.at+s.size] }

// copyHeld copies what is held from offset on, without a gap.
func (t *tape) copyHeld(p []byte, offset int64) int {
	n := 0
	for n < len(p) {
		from := offset + int64(n)
		i := sort.Search(len(t.held), func(i int) bool { return t.held[i].offset > from }) - 1
		var m int
		if i >= 0 && from < t.held[i].offset+int64(t.held[i].size) {
			m = copy(p[n:], t.data(t.held[i])[from-t.held[i].offset:])
		} else if within := from - t.cur.start; within >= 0 && within < int64(len(t.cur.replay)) {
			m = copy(p[n:], t.cur.replay[within:])
		} else {
			return n
		}
		n += m
	}
	return n
}

// skip reads on and forgets at most n bytes, but for what is held.
func (t *tape) skip(n int64) error {
	if t.waste == nil {
		t.waste = make([]byte, 32<<10)
	}
	_, err := t.next(t.waste[:min(n, int64(len(t.waste)))])
	return err
}

// peek holds the first bytes of the content that comes next, and returns them.
func (t *tape) peek() ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	head := make([]byte, min(blockSize, t.cur.end-t.at))
	start, hold := t.at, t.cur.hold
	t.cur.hold = true
	defer func() { t.cur.hold = hold }()
	if start+int64(len(head)) == t.cur.end {
		t.cur.hash = nil // all of it is held then
	}
	for t.at-start < int64(len(head)) {
		if _, err := t.next(head[t.at-start:]); err != nil {
			return nil, err
		}
	}
	if t.cur.replays {
		t.cur.replay = append(t.again(), head...)
	}
	return head, nil
}

// again is the memory for what can be read again, one for all files.
func (t *tape) again() []byte {
	if t.spare == nil {
		t.spare = make([]byte, 0, maxHeldEntry)
	}
	return t.spare
}

// hold lets the rest of the current content be held.
func (t *tape) hold() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cur.hold, t.cur.hash = true, nil
}

// room reports whether a file of that size can still be held.
func (t *tape) room(size int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return size <= maxHeldEntry && t.kept+size <= maxHeld
}

// failed is the error that has ended the stream, unless that is its regular end.
func (t *tape) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if errors.Is(t.err, io.EOF) || errors.Is(t.err, io.ErrUnexpectedEOF) {
		return nil
	}
	return t.err
}

// sum is the SHA-256 of a file's stored content.
func (t *tape) sum(s span) ([sha256.Size]byte, error) {
	t.mu.Lock()
	i := sort.Search(len(t.hashes), func(i int) bool { return t.hashes[i].offset >= s.offset })
	if i < len(t.hashes) && t.hashes[i].offset == s.offset {
		defer t.mu.Unlock()
		return t.hashes[i].sum, nil
	}
	t.mu.Unlock()
	h := sha256.New()
	_, err := io.Copy(h, io.NewSectionReader(t, s.offset, s.size))
	return [sha256.Size]byte(h.Sum(nil)), err
}

// same reports whether two files have the same content.
func (t *tape) same(x, y span) (bool, error) {
	if x.size != y.size {
		return false, nil
	}
	sx, err := t.sum(x)
	if err != nil {
		return false, err
	}
	sy, err := t.sum(y)
	return sx == sy, err
}
