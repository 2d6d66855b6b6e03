package pack

import (
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Encoders keeps zstd encoders for the next stream: each holds tens of megabytes, and layers come one after
// another. The zero value is ready. It may be used concurrently.
type Encoders struct {
	mu   sync.Mutex
	free map[encoderKind][]*zstd.Encoder
}

// encoderKind is what encoders have in common that can stand in for each other.
type encoderKind struct{ level, window, workers int }

// maxFree is how many encoders of a kind are kept.
const maxFree = 2

// encoder returns an encoder that writes to w. The caller gives it back with keep.
func (e *Encoders) encoder(k encoderKind, w io.Writer) (*zstd.Encoder, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if free := e.free[k]; len(free) > 0 {
		z := free[len(free)-1]
		e.free[k] = free[:len(free)-1]
		z.Reset(w)
		return z, nil
	}
	return zstd.NewWriter(w,
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(k.level)),
		zstd.WithWindowSize(k.window),
		zstd.WithConcurrentBlocks(true),
		zstd.WithEncoderConcurrency(k.workers),
		zstd.WithZeroFrames(true))
}

// keep takes back an encoder that has been closed.
func (e *Encoders) keep(k encoderKind, z *zstd.Encoder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	z.Reset(nil)
	if e.free == nil {
		e.free = map[encoderKind][]*zstd.Encoder{}
	}
	if len(e.free[k]) < maxFree {
		e.free[k] = append(e.free[k], z)
	}
}

// reused is an encoder that goes back to the others when it is closed.
type reused struct {
	*zstd.Encoder
	kind   encoderKind
	from   *Encoders
	closed bool
}

func (r *reused) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	err := r.Encoder.Close()
	r.from.keep(r.kind, r.Encoder)
	return err
}
