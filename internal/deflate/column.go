package deflate

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"

	"drayage/internal/limits"
)

// A recipe has so many columns, each compressed by itself, so that they are read side by side.
const (
	memberColumn = iota
	blockColumn
	tokenColumn
	columns
)

// How a column is written.
const (
	asIs        = 0
	zstandard   = 1
	columnFrame = 1 << 20 // the window of the frame
)

// errLong is a recipe that does not pay.
var errLong = errors.New("too many corrections")

// column is what a recipe says of one thing, as it grows.
type column struct {
	raw     []byte // all of it, as long as it is short
	packed  bytes.Buffer
	encoder *zstd.Encoder
	size    int64 // of all that was written
}

const shortColumn = 64 << 10

// Write adds to the column.
func (c *column) Write(p []byte) (int, error) {
	c.size += int64(len(p))
	c.raw = append(c.raw, p...)
	if len(c.raw) < shortColumn {
		return len(p), nil
	}
	return len(p), c.flush()
}

// flush compresses what there is.
func (c *column) flush() (err error) {
	if c.encoder == nil {
		c.encoder, err = zstd.NewWriter(&c.packed, zstd.WithWindowSize(columnFrame), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderCRC(false))
		if err != nil {
			return err
		}
	}
	_, err = c.encoder.Write(c.raw)
	c.raw = c.raw[:0]
	return err
}

// len is how long the column is so far, about.
func (c *column) len() int { return c.packed.Len() + len(c.raw)/4 }

// finish ends the column, and returns its codec and bytes.
func (c *column) finish() (byte, []byte, error) {
	short := c.encoder == nil
	raw := bytes.Clone(c.raw)
	if err := c.flush(); err != nil {
		return 0, nil, err
	}
	if err := c.encoder.Close(); err != nil {
		return 0, nil, err
	}
	if short && len(raw) <= c.packed.Len() {
		return asIs, raw, nil
	}
	return zstandard, c.packed.Bytes(), nil
}

// close ends what works for the column.
func (c *column) close() {
	if c.encoder != nil {
		c.encoder.Close()
	}
}

var magic = []byte("DRYG\x01")

// title is what stands before the columns of a recipe.
type title struct {
	size     int64 // of the blob
	unpacked int64
	model    string
}

const maxName = 64

// writeRecipe writes a recipe.
func writeRecipe(w io.Writer, t title, all [columns]*column) error {
	head := binary.AppendUvarint(bytes.Clone(magic), uint64(t.size))
	head = binary.AppendUvarint(head, uint64(t.unpacked))
	head = append(binary.AppendUvarint(head, uint64(len(t.model))), t.model...)
	var bodies [columns][]byte
	for i := range all {
		codec, body, err := all[i].finish()
		if err != nil {
			return err
		}
		head = binary.AppendUvarint(append(head, codec), uint64(len(body)))
		bodies[i] = body
	}
	for _, b := range append([][]byte{head}, bodies[:]...) {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// readRecipe reads the title and opens the columns. Each is to be closed.
func readRecipe(r io.ReaderAt, size int64) (t title, all [columns]*columnReader, err error) {
	head := bufio.NewReader(io.NewSectionReader(r, 0, size))
	counted := &countingByteReader{r: head}
	begin := make([]byte, len(magic))
	if _, err := io.ReadFull(counted, begin); err != nil || !bytes.Equal(begin, magic) {
		return t, all, errRecipe
	}
	var numbers [3]uint64
	for i, most := range []uint64{1 << 50, 1 << 50, maxName} {
		if numbers[i], err = uvarint(counted, most); err != nil {
			return t, all, err
		}
	}
	name := make([]byte, numbers[2])
	if _, err := io.ReadFull(counted, name); err != nil {
		return t, all, errRecipe
	}
	t = title{int64(numbers[0]), int64(numbers[1]), string(name)}
	var codecs [columns]byte
	var lengths [columns]int64
	for i := range all {
		if codecs[i], err = counted.ReadByte(); err != nil || codecs[i] > zstandard {
			return t, all, errRecipe
		}
		n, err := uvarint(counted, limits.Recipe)
		if err != nil {
			return t, all, err
		}
		lengths[i] = int64(n)
	}
	at := counted.n
	for i := range all {
		if all[i], err = openColumn(io.NewSectionReader(r, at, lengths[i]), codecs[i]); err != nil {
			return t, all, err
		}
		at += lengths[i]
	}
	if at != size {
		err = errRecipe
	}
	return t, all, err
}

type countingByteReader struct {
	r *bufio.Reader
	n int64
}

func (c *countingByteReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *countingByteReader) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

// columnReader reads a column.
type columnReader struct {
	*bufio.Reader
	decoder *zstd.Decoder
}

func openColumn(r io.Reader, codec byte) (*columnReader, error) {
	if codec == asIs {
		return &columnReader{bufio.NewReader(r), nil}, nil
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(columnFrame),
		zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return &columnReader{bufio.NewReader(d), d}, nil
}

func (c *columnReader) close() {
	if c != nil && c.decoder != nil {
		c.decoder.Close()
	}
}
