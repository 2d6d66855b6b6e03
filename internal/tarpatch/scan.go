package tarpatch

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

const (
	block   = 512
	maxMeta = 1 << 20 // bytes of the headers of one entry
)

// entry is an entry of a tar: bytes of headers, bytes of content as they are stored, and padding.
type entry struct {
	at      int64 // where its headers begin
	content int64 // where they end
	size    int64
	name    string // without "./" before it and "/" behind it
}

// padded is where the next entry begins.
func (e *entry) padded() int64 { return e.content + roundUp(e.size) }

func roundUp(n int64) int64 { return (n + block - 1) &^ (block - 1) }

// scanner walks through the headers of a tar. It ends where none follow: at the end, or where the bytes are
// no tar. It is no judge of tars, so it looks no closer than it takes to find the contents.
type scanner struct {
	r   io.ReaderAt
	len int64
	at  int64 // of the next entry
	buf []byte
	off int64 // of buf in r
	err error // reading failed
}

func newScanner(b Base) *scanner { return &scanner{r: b.ReaderAt, len: b.Size} }

// bytes returns n bytes at a place. They are good until it is called again.
func (s *scanner) bytes(at, n int64) []byte {
	if s.err != nil || at+n > s.len {
		return nil
	}
	if at < s.off || at+n > s.off+int64(len(s.buf)) {
		if s.buf == nil {
			s.buf = make([]byte, 16<<10)
		}
		whole := s.buf[:cap(s.buf)]
		if n > int64(len(whole)) {
			whole = make([]byte, n)
		}
		whole = whole[:min(int64(len(whole)), s.len-at)]
		if s.err = readAt(s.r, whole, at); s.err != nil {
			return nil
		}
		s.buf, s.off = whole, at
	}
	return s.buf[at-s.off:][:n]
}

// next finds the next entry.
func (s *scanner) next() (entry, bool) {
	e := entry{at: s.at, size: -1}
	for at := s.at; at-s.at < maxMeta; {
		h := s.bytes(at, block)
		size, ok := parseHeader(h)
		if !ok {
			return e, false
		}
		at += block
		if kind := h[156]; strings.IndexByte("xgLK", kind) >= 0 {
			if size > maxMeta || !e.describe(kind, s.bytes(at, size)) {
				return e, false
			}
			at += roundUp(size)
			continue
		}
		e.take(h, size)
		if e.content = at; h[156] == 'S' {
			e.content = s.sparse(h, at)
		}
		if e.size < 0 || e.size > s.len-e.content || e.padded() > s.len {
			return e, false
		}
		s.at = e.padded()
		return e, true
	}
	return e, false
}

// sparse returns where the content of an old GNU sparse file begins, behind more blocks of its map.
func (s *scanner) sparse(h []byte, at int64) int64 {
	for more := h[482] == 1; more && at-s.at < maxMeta; at += block {
		b := s.bytes(at, block)
		more = b != nil && b[504] == 1
	}
	return at
}

// describe takes what a header says of the entry behind it. It reports whether that can be read.
func (e *entry) describe(kind byte, body []byte) bool {
	switch kind {
	case 'L':
		e.name = string(cut(body))
	case 'x':
		for len(body) > 0 {
			digits, _, _ := bytes.Cut(body, []byte(" "))
			n, err := strconv.Atoi(string(digits))
			if err != nil || n <= len(digits)+1 || n > len(body) {
				return body == nil
			}
			key, value, _ := strings.Cut(string(body[len(digits)+1:n-1]), "=")
			switch key {
			case "path", "GNU.sparse.name":
				e.name = value
			case "size":
				size, err := strconv.ParseInt(value, 10, 64)
				if err != nil || size < 0 {
					return false
				}
				e.size = size
			}
			body = body[n:]
		}
	}
	return body != nil
}

// take takes what the last header of the entry says.
func (e *entry) take(h []byte, size int64) {
	if e.name == "" {
		e.name = string(cut(h[:100]))
		if prefix := cut(h[345:500]); string(h[257:263]) == "ustar\x00" && len(prefix) > 0 {
			e.name = string(prefix) + "/" + e.name
		}
	}
	e.name = strings.TrimSuffix(strings.TrimPrefix(e.name, "./"), "/")
	switch {
	case h[156] >= '1' && h[156] <= '6': // links, devices, directories, pipes
		e.size = 0
	case e.size < 0:
		e.size = size
	}
}

// parseHeader reports whether a block is a header, and the size in it.
func parseHeader(h []byte) (int64, bool) {
	if h == nil {
		return 0, false
	}
	sum := int64(0)
	for i, c := range h {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int64(c)
	}
	want, ok := octal(h[148:156])
	if !ok || want != sum {
		return 0, false
	}
	if h[124]&0x80 == 0 {
		return octal(h[124:136])
	}
	size := int64(h[124] & 0x7f) // GNU's numbers to the base 256
	for _, c := range h[125:136] {
		if size >= 1<<54 {
			return 0, false
		}
		size = size<<8 | int64(c)
	}
	return size, true
}

// octal parses a number of a header. An empty one is zero.
func octal(b []byte) (int64, bool) {
	s := strings.Trim(string(b), " \x00")
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 8, 64)
	return n, err == nil && n >= 0
}

// cut ends b before its first zero.
func cut(b []byte) []byte {
	b, _, _ = bytes.Cut(b, []byte{0})
	return b
}

// readAt fills p.
func readAt(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
