package deflate

import (
	"encoding/binary"
	"io"
)

// bitReader takes bits and bytes from a stream.
type bitReader struct {
	r    io.Reader
	buf  []byte
	pos  int // of the next byte in buf
	end  int
	bits uint64
	n    int   // how many of bits are valid; negative if more were taken than there are
	read int64 // how many bytes came from r
	err  error // of r
}

const inputBuffer = 64 << 10

func newBitReader(r io.Reader) *bitReader { return &bitReader{r: r, buf: make([]byte, inputBuffer)} }

// more reads from the stream, so that at least eight bytes are in buf, or all that are left. Those that align
// may give back stay there.
func (b *bitReader) more() {
	back := min(b.pos, 8)
	b.end = copy(b.buf, b.buf[b.pos-back:b.end])
	b.pos = back
	for b.end-b.pos < 8 && b.err == nil {
		var n int
		n, b.err = b.r.Read(b.buf[b.end:])
		b.end += n
		b.read += int64(n)
	}
}

// fill makes at least 56 bits valid, or all that are left. Zeros follow these.
func (b *bitReader) fill() {
	if b.end-b.pos < 8 {
		b.more()
		if b.end-b.pos < 8 {
			for ; b.n <= 56 && b.pos < b.end; b.pos++ {
				b.bits |= uint64(b.buf[b.pos]) << b.n
				b.n += 8
			}
			return
		}
	}
	b.bits |= binary.LittleEndian.Uint64(b.buf[b.pos:]) << b.n
	b.pos += (63 - b.n) >> 3
	b.n |= 56
}

// take returns the next n bits, at most 32.
func (b *bitReader) take(n int) uint32 {
	if b.n < n {
		b.fill()
	}
	v := uint32(b.bits & (1<<n - 1))
	b.bits >>= n
	b.n -= n
	return v
}

// ended is the error of a stream that is shorter than what was taken from it.
func (b *bitReader) ended() error {
	if b.n >= 0 {
		return nil
	}
	if b.err != nil && b.err != io.EOF {
		return b.err
	}
	return io.ErrUnexpectedEOF
}

// bit is where in a byte the next bit stands.
func (b *bitReader) bit() int { return -b.n & 7 }

// align goes to the next byte, and gives back the bytes that were taken too many. It returns the bits
// between.
func (b *bitReader) align() (padding uint8) {
	if b.n < 0 {
		return 0
	}
	padding = uint8(b.take(b.n & 7))
	b.pos -= b.n >> 3
	b.bits, b.n = 0, 0
	return padding
}

// Read reads bytes. The reader is aligned.
func (b *bitReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.pos == b.end {
		b.more()
		if b.pos == b.end {
			return 0, b.err
		}
	}
	n := copy(p, b.buf[b.pos:b.end])
	b.pos += n
	return n, nil
}
