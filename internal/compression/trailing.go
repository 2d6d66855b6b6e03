package compression

import (
	"bufio"
	"compress/bzip2"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
)

// Tapes, devices and some tools put zeros behind the end of a compressed file. The programs gzip and bzip2
// take them, so the readers here take them behind the end of all formats. What else comes there is an error.

// zerosOnly reads b to its end. It returns io.EOF if only zeros are left, and otherwise the error other.
func zerosOnly(b *bufio.Reader, other error) error {
	for {
		c, err := b.ReadByte()
		switch {
		case err != nil:
			return err
		case c != 0:
			return other
		}
	}
}

var errTrailing = errors.New("something that is not gzip stands behind its end")

// gzipReader reads the members of a gzip file one after another.
type gzipReader struct {
	z *gzip.Reader
	b *bufio.Reader // stands behind a member when that has ended
}

func newGzipReader(b *bufio.Reader) (io.ReadCloser, error) {
	z := gzips.Get().(*gzip.Reader)
	if err := z.Reset(b); err != nil {
		gzips.Put(z)
		return nil, err
	}
	z.Multistream(false)
	return &gzipReader{z, b}, nil
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for {
		n, err := g.z.Read(p)
		if err == io.EOF {
			err = g.next()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next begins the next member, or returns io.EOF.
func (g *gzipReader) next() error {
	first, err := g.b.Peek(1)
	if err != nil {
		return err
	}
	if first[0] == 0 {
		return zerosOnly(g.b, errTrailing)
	}
	if magic, _ := g.b.Peek(2); first[0] != 0x1f || len(magic) == 2 && magic[1] != 0x8b {
		return errTrailing
	}
	err = g.z.Reset(g.b)
	g.z.Multistream(false)
	return err
}

// Close is called once.
func (g *gzipReader) Close() error {
	err := g.z.Close()
	gzips.Put(g.z)
	return err
}

// padded ends a stream whose last byte is zero in some more zeros. A decoder that looks for the beginning of
// a further stream then finds zeros there, however few there are.
type padded struct {
	b     *bufio.Reader
	pad   func(size int64) int // how many zeros to add to a stream of that size
	size  int64
	last  byte
	ended bool
	left  int
}

func (p *padded) ReadByte() (byte, error) {
	var one [1]byte
	_, err := io.ReadFull(p, one[:])
	return one[0], err
}

func (p *padded) Read(b []byte) (int, error) {
	if !p.ended {
		n, err := p.b.Read(b)
		if p.size += int64(n); n > 0 {
			p.last = b[n-1]
		}
		if err != io.EOF || p.last != 0 {
			return n, err
		}
		p.ended, p.left = true, p.pad(p.size)
	}
	if p.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), p.left)
	clear(b[:n])
	p.left -= n
	return n, nil
}

// filled reports whether zeros were added to the stream.
func (p *padded) filled() bool { return p.ended && p.pad(p.size) > 0 }

// bzip2Reader reads the streams of a bzip2 file.
type bzip2Reader struct {
	z    io.Reader
	from *padded
}

func newBzip2Reader(b *bufio.Reader) io.Reader {
	from := &padded{b: b, pad: func(int64) int { return 2 }} // so much the decoder reads of a further stream
	return &bzip2Reader{bzip2.NewReader(from), from}
}

func (z *bzip2Reader) Read(p []byte) (int, error) {
	n, err := z.z.Read(p)
	if err == noFurtherStream && z.from.last == 0 {
		err = zerosOnly(z.from.b, err)
	}
	return n, err
}

// noFurtherStream is what the decoder says of something behind the end of a bzip2 file.
const noFurtherStream = bzip2.StructuralError("bad magic value in continuation file")

// padXz fills a file up to what all xz streams are multiples of.
func padXz(size int64) int { return int(-size & 3) }
