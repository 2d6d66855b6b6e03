package pack

import (
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

// Encoders keeps encoders for the next stream: each holds megabytes, and layers come one after another. The
// zero value is ready. It may be used concurrently.
type Encoders struct {
	mu   sync.Mutex
	free map[encoderKind][]encoder
}

// encoder is one of the two packages' encoders.
type encoder interface {
	io.WriteCloser
	Reset(io.Writer)
}

// encoderKind is what encoders have in common that can stand in for each other.
type encoderKind struct {
	gzip         bool
	level, block int // block is the window of zstd
	workers      int
}

// maxFree is how many encoders of a kind are kept.
const maxFree = 2

// NewGzip returns a Writer that sends gzip to w. Levels go from 1 to 9. Blocks of block bytes are
// compressed side by side.
func (e *Encoders) NewGzip(w io.Writer, level, block int) (*Writer, error) {
	return e.writer(w, encoderKind{true, level, block, min(runtime.GOMAXPROCS(0), maxGzipWorkers)})
}

// NewZstd returns a Writer that sends one zstd frame to w. Levels are those of the zstd program, but only 1,
// 3, 6 and 10 differ here. The window is a power of two in bytes. Sections of four windows are compressed
// side by side.
func (e *Encoders) NewZstd(w io.Writer, level, window int) (*Writer, error) {
	if level < 1 || level > 22 {
		return nil, fmt.Errorf("zstd: invalid compression level: %d", level)
	}
	workers := min(max(runtime.GOMAXPROCS(0), minZstdWorkers), maxZstdWorkers)
	return e.writer(w, encoderKind{false, level, window, workers})
}

func (e *Encoders) writer(w io.Writer, k encoderKind) (*Writer, error) {
	behind := &patient{w: w}
	z := e.take(k)
	if z == nil {
		var err error
		if z, err = k.encoder(behind); err != nil {
			return nil, err
		}
	} else if err := k.reset(z, behind); err != nil {
		return nil, err
	}
	return &Writer{&reused{encoder: z, kind: k, from: e}, behind}, nil
}

// encoder makes a new encoder that writes to w.
func (k encoderKind) encoder(w io.Writer) (encoder, error) {
	if k.gzip {
		z, err := pgzip.NewWriterLevel(w, k.level)
		if err == nil {
			err = z.SetConcurrency(k.block, k.workers)
		}
		return z, err
	}
	return zstd.NewWriter(w,
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(k.level)),
		zstd.WithWindowSize(k.block),
		zstd.WithConcurrentBlocks(true),
		zstd.WithEncoderConcurrency(k.workers),
		zstd.WithZeroFrames(true))
}

// reset makes an encoder of kind k write to w next.
func (k encoderKind) reset(z encoder, w io.Writer) error {
	z.Reset(w)
	if z, ok := z.(*pgzip.Writer); ok {
		return z.SetConcurrency(k.block, k.workers) // Reset has set the package's own
	}
	return nil
}

// take returns an encoder that was kept, or nil.
func (e *Encoders) take(k encoderKind) encoder {
	e.mu.Lock()
	defer e.mu.Unlock()
	free := e.free[k]
	if len(free) == 0 {
		return nil
	}
	e.free[k] = free[:len(free)-1]
	return free[len(free)-1]
}

// keep takes back an encoder that has been closed.
func (e *Encoders) keep(k encoderKind, z encoder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	z.Reset(nil)
	if e.free == nil {
		e.free = map[encoderKind][]encoder{}
	}
	if len(e.free[k]) < maxFree {
		e.free[k] = append(e.free[k], z)
	}
}

// reused is an encoder that goes back to the others when it is closed.
type reused struct {
	encoder
	kind   encoderKind
	from   *Encoders
	closed bool
}

func (r *reused) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	err := r.encoder.Close()
	r.from.keep(r.kind, r.encoder)
	return err
}
