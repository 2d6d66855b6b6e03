package deflate

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// member is what a member of a gzip file has besides its blocks
// (https://www.rfc-editor.org/rfc/rfc1952#section-2.3).
type member struct {
	header  []byte // verbatim
	size    int64  // of the content
	padding uint8  // the bits behind the last block
	trailer []byte // verbatim, or nil if it is as the content demands
}

const (
	maxHeader  = 128 << 10
	trailerLen = 8
)

// errNotGzip is a stream that does not begin with the header of a member.
var errNotGzip = errors.New("not gzip")

const (
	hasSum     = 1 << 1
	hasExtra   = 1 << 2
	hasName    = 1 << 3
	hasComment = 1 << 4
	unknownHas = 0xe0
)

// readHeader reads what stands before the blocks of a member.
func readMember(b *bitReader) ([]byte, error) {
	h := make([]byte, 10)
	if n, err := io.ReadFull(b, h); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = errNotGzip
		}
		return h[:n], err
	}
	if h[0] != 0x1f || h[1] != 0x8b || h[2] != 8 || h[3]&unknownHas != 0 {
		return h, errNotGzip
	}
	var err error
	if h[3]&hasExtra != 0 {
		if h, err = appendBytes(h, b, 2); err == nil {
			h, err = appendBytes(h, b, int(binary.LittleEndian.Uint16(h[10:])))
		}
	}
	for _, flag := range []byte{hasName, hasComment} {
		if err == nil && h[3]&flag != 0 {
			h, err = appendString(h, b)
		}
	}
	if err == nil && h[3]&hasSum != 0 {
		h, err = appendBytes(h, b, 2)
	}
	return h, err
}

func appendBytes(to []byte, r io.Reader, n int) ([]byte, error) {
	at := len(to)
	to = append(to, make([]byte, n)...)
	_, err := io.ReadFull(r, to[at:])
	return to, noEOF(err)
}

func appendString(to []byte, r io.Reader) ([]byte, error) {
	for {
		var err error
		if to, err = appendBytes(to, r, 1); err != nil || to[len(to)-1] == 0 {
			return to, err
		}
		if len(to) > maxHeader {
			return to, errNotGzip
		}
	}
}

// sum is what the trailer of a member says.
type sum struct {
	crc  uint32
	size uint32
}

func (s *sum) Write(p []byte) (int, error) {
	s.crc = crc32.Update(s.crc, crc32.IEEETable, p)
	s.size += uint32(len(p))
	return len(p), nil
}

func (s *sum) append(to []byte) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(to, s.crc), s.size)
}
