// Package compression recognises compressed streams by their first bytes, never by a name or a media type,
// and opens them.
package compression

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/therootcompany/xz"

	"drayage/internal/limits"
)

// The compression formats that are recognised. None stands for everything else, such as a plain tar.
const (
	None  = "none"
	Gzip  = "gzip" // https://www.rfc-editor.org/rfc/rfc1952
	Zstd  = "zstd" // https://www.rfc-editor.org/rfc/rfc8878
	Bzip2 = "bzip2"
	Xz    = "xz" // https://tukaani.org/xz/xz-file-format.txt
)

// ErrMemory is matched by errors about streams that are right, but take too much memory to decode.
var ErrMemory = errors.New("is larger than the limit")

// PeekSize is how many bytes [Detect] needs at most.
const PeekSize = 10

// Detect tells the format from the first bytes of a stream.
func Detect(prefix []byte) string {
	has := func(magic string) bool { return bytes.HasPrefix(prefix, []byte(magic)) }
	switch {
	case has("\x1f\x8b\x08"):
		return Gzip
	case has("\x28\xb5\x2f\xfd"):
		return Zstd
	case len(prefix) >= 4 && prefix[0]&0xf0 == 0x50 && string(prefix[1:4]) == "\x2a\x4d\x18":
		return Zstd // a skippable frame comes first, as zstd:chunked has
	case len(prefix) >= 10 && has("BZh") &&
		(string(prefix[4:10]) == "\x31\x41\x59\x26\x53\x59" || string(prefix[4:10]) == "\x17\x72\x45\x38\x50\x90"):
		return Bzip2
	case has("\xfd7zXZ\x00"):
		return Xz
	}
	return None
}

// NewReader returns what r holds, uncompressed, and the format it was in. Decoders that need much memory wait
// for room in the budget, as long as ctx lasts, and give it back when they are closed or have come to the
// end. Closing the reader does not close r. Nobody may read meanwhile.
func NewReader(ctx context.Context, r io.Reader, budget *Budget) (io.ReadCloser, string, error) {
	b := inputs.Get().(*bufio.Reader)
	b.Reset(r)
	prefix, err := b.Peek(PeekSize)
	if err != nil && err != io.EOF {
		release(b)
		return nil, None, err
	}
	kind := Detect(prefix)
	rc, err := open(ctx, b, kind, budget)
	if err != nil {
		release(b)
		return nil, kind, err
	}
	return &reused{rc, b}, kind, nil
}

func open(ctx context.Context, r *bufio.Reader, kind string, budget *Budget) (io.ReadCloser, error) {
	switch kind {
	case Gzip:
		return newGzipReader(r)
	case Zstd:
		return newZstdReader(ctx, r, budget), nil
	case Bzip2:
		return io.NopCloser(newBzip2Reader(r)), nil
	case Xz:
		return newXzReader(ctx, &padded{b: r, pad: padXz}, budget)
	}
	return io.NopCloser(r), nil
}

// xzReader returns the errors that readers of other formats do. Any block may have a dictionary of its own,
// so it takes room for the largest.
type xzReader struct {
	z     *xz.Reader
	from  *padded
	lease lease
	read  int64
	err   error // sticky, because z is gone then
}

func newXzReader(ctx context.Context, r *padded, b *Budget) (io.ReadCloser, error) {
	l, err := b.take(ctx, limits.Dictionary)
	if err != nil {
		return nil, context.Cause(ctx)
	}
	x := &xzReader{from: r, lease: l}
	if x.z, err = xz.NewReader(r, limits.Dictionary); err != nil {
		x.end()
		return nil, xzError(err)
	}
	return x, nil
}

func (x *xzReader) Read(p []byte) (int, error) {
	if len(p) == 0 || x.err != nil {
		return 0, x.err
	}
	n, err := x.z.Read(p)
	x.read += int64(n)
	if errors.Is(err, xz.ErrData) && x.from.filled() {
		err = xz.ErrBuf // the file ends where no xz file does
	}
	if x.err = xzError(err); err != nil {
		x.end()
	}
	return n, x.err
}

func (x *xzReader) end() {
	x.z = nil
	x.lease.end(x.read)
	x.read = 0
}

// Close gives the room back.
func (x *xzReader) Close() error {
	if x.err == nil {
		x.err = io.ErrClosedPipe
		x.end()
	}
	return nil
}

func xzError(err error) error {
	switch {
	case errors.Is(err, xz.ErrBuf):
		return io.ErrUnexpectedEOF
	case errors.Is(err, xz.ErrMemlimit):
		return fmt.Errorf("its dictionary %w of %d MiB", ErrMemory, limits.Dictionary>>20)
	}
	return err
}
