package compression

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/klauspost/compress/zstd"

	"drayage/internal/limits"
)

// zstdReader decodes a zstd stream. Each frame may need another window. Where one needs a larger window than
// there is room for, the decoder ends, and another one begins when there is room.
type zstdReader struct {
	ctx    context.Context // bounds Read, which has no parameter for it
	budget *Budget
	frames frames
	z      *zstd.Decoder
	lease  lease
	read   int64 // bytes that z has given out
	err    error // sticky, because z is gone then
}

func newZstdReader(ctx context.Context, r *bufio.Reader, b *Budget) *zstdReader {
	return &zstdReader{ctx: ctx, budget: b, frames: frames{r: r}}
}

func (s *zstdReader) Read(p []byte) (int, error) {
	for s.err == nil {
		if s.z == nil {
			if s.err = s.open(); s.err != nil {
				break
			}
		}
		n, err := s.z.Read(p)
		s.read += int64(n)
		if err == nil {
			return n, nil
		}
		s.close()
		if err != io.EOF || s.frames.wants <= s.frames.window {
			s.err = err
		}
		if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			s.err = fmt.Errorf("its window of %d MiB %w of %d MiB", s.frames.full>>20, ErrMemory, limits.Window>>20)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, s.err
}

// open begins a decoder where the frames have come to.
func (s *zstdReader) open() (err error) {
	if s.frames.wants == 0 && s.frames.left == 0 {
		s.frames.err = s.frames.next()
	}
	if window := s.frames.wants; window > s.frames.window {
		s.frames.err = nil
		if s.lease, err = s.budget.take(s.ctx, window); err != nil {
			return context.Cause(s.ctx)
		}
		s.frames.window = window
	}
	s.z, err = zstd.NewReader(&s.frames, zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxWindow(limits.Window), zstd.WithDecoderLowmem(true))
	return err
}

func (s *zstdReader) close() {
	if s.z == nil {
		return
	}
	s.z.Close()
	s.z = nil
	s.lease.end(s.read)
	s.read = 0
}

func (s *zstdReader) Close() error {
	if s.close(); s.err == nil {
		s.err = io.ErrClosedPipe
	}
	return nil
}

// frames gives out a zstd stream (https://www.rfc-editor.org/rfc/rfc8878#section-3.1), and ends before a
// frame that needs a larger window. What is no such stream passes as it is: the decoder says what is wrong.
type frames struct {
	r      *bufio.Reader
	window int64  // that a frame may need
	wants  int64  // the window of the last frame that has been looked at
	left   int64  // bytes that may pass before the next look
	inside bool   // blocks come next, not a frame
	sum    int64  // bytes of a checksum behind the last block
	full   uint64 // the window of that frame, as it says
	err    error  // for the next Read
}

func (f *frames) Read(p []byte) (int, error) {
	for f.left == 0 {
		if err := f.err; err != nil {
			f.err = nil
			return 0, err
		}
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	n, err := f.r.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	return n, err
}

// next looks at what comes, and says how much of it may pass.
func (f *frames) next() error {
	head, err := f.r.Peek(18)
	if len(head) == 0 {
		return err
	}
	switch {
	case !f.inside && head[0] == 0:
		return zerosOnly(f.r, zstd.ErrMagicMismatch)
	case f.inside && len(head) >= 3:
		f.block(head)
	case !f.inside && len(head) >= 8 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18":
		f.left = 8 + int64(binary.LittleEndian.Uint32(head[4:]))
	case !f.inside && len(head) >= 6 && string(head[:4]) == "\x28\xb5\x2f\xfd":
		if f.frame(head); f.wants > f.window {
			return io.EOF
		}
	default:
		f.left = math.MaxInt64
	}
	return nil
}

// block reads the header of a block.
func (f *frames) block(head []byte) {
	const rle, reserved = 1, 3
	h := int64(head[0]) | int64(head[1])<<8 | int64(head[2])<<16
	f.left = 3 + h>>3
	switch h >> 1 & 3 {
	case rle:
		f.left = 3 + 1
	case reserved:
		f.left = math.MaxInt64
		return
	}
	if h&1 == 1 {
		f.inside = false
		f.left += f.sum
	}
}

// smallWindow is what a decoder needs room for at least.
const smallWindow = 1 << 20

// frame reads the header of a frame. Windows are rounded up, so that few of them are larger than the last.
func (f *frames) frame(head []byte) {
	d := head[4]
	single := d>>5&1 == 1
	sizes, dictionaries := [4]int{0, 2, 4, 8}, [4]int{0, 1, 2, 4}
	size, at := sizes[d>>6], 5
	window := uint64(0)
	if !single {
		exponent, mantissa := head[5]>>3, uint64(head[5]&7)
		window = 1<<(10+exponent) + 1<<(7+exponent)*mantissa
		at++
	} else if size == 0 {
		size = 1
	}
	at += dictionaries[d&3]
	if single && len(head) >= at+size {
		var field [8]byte
		copy(field[:], head[at:at+size])
		if window = binary.LittleEndian.Uint64(field[:]); size == 2 {
			window += 256
		}
	}
	f.left, f.inside, f.sum, f.full = int64(at+size), true, int64(d>>2&1)*4, window
	window = min(max(window, smallWindow), limits.Window)
	f.wants = 1 << bits.Len64(window-1)
}
