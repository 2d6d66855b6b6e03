// Package pack compresses one stream on several processors. What comes out is decided by what goes in and
// by the parameters alone: neither the number of processors nor the sizes of the writes show in it.
//
// [NewGzip] makes gzip (RFC 1952), [NewZstd] makes Zstandard (RFC 8878).
package pack

import (
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/klauspost/pgzip"
)

// Each worker holds some blocks, so that their number decides how much memory a writer takes. That many
// keep pace with whoever unpacks and hashes what they are given.
const (
	maxGzipWorkers = 8
	maxZstdWorkers = 4
	// minZstdWorkers must not be less: a single worker of the zstd package divides its input otherwise.
	minZstdWorkers = 2
)

// errAborted is what the writer behind an aborted stream seems to fail with. Nobody sees it.
var errAborted = errors.New("aborted")

// Writer compresses what is written to it. It is for one goroutine, and ends with Close or Abort: until
// then it has goroutines of its own.
type Writer struct {
	z      io.WriteCloser
	behind *patient
}

// NewGzip returns a Writer that sends gzip to w. Levels go from 1 to 9; blocks of so many bytes are
// compressed side by side.
func NewGzip(w io.Writer, level, block int) (*Writer, error) {
	behind := &patient{w: w}
	z, err := pgzip.NewWriterLevel(behind, level)
	if err != nil {
		return nil, err
	}
	if err := z.SetConcurrency(block, min(runtime.GOMAXPROCS(0), maxGzipWorkers)); err != nil {
		return nil, err
	}
	return &Writer{z, behind}, nil
}

// NewZstd is [Encoders.NewZstd] for whoever compresses one stream.
func NewZstd(w io.Writer, level, window int) (*Writer, error) {
	return new(Encoders).NewZstd(w, level, window)
}

// NewZstd returns a Writer that sends one zstd frame to w. Levels are those of the zstd program, of which
// four differ here: 1, 3, 6, 10. The window is a power of two in bytes; sections of four windows are
// compressed side by side.
func (e *Encoders) NewZstd(w io.Writer, level, window int) (*Writer, error) {
	if level < 1 || level > 22 {
		return nil, fmt.Errorf("zstd: invalid compression level: %d", level)
	}
	behind := &patient{w: w}
	kind := encoderKind{level: level, window: window, workers: zstdWorkers()}
	z, err := e.encoder(kind, behind)
	if err != nil {
		return nil, err
	}
	return &Writer{&reused{Encoder: z, kind: kind, from: e}, behind}, nil
}

// Write implements io.Writer. An error of the writer behind may show some calls later.
func (w *Writer) Write(b []byte) (int, error) {
	if err := w.behind.failed(); err != nil {
		return 0, err
	}
	return w.z.Write(b)
}

// Close writes what is left and ends the compressed stream; it does not close the writer behind. It returns
// that writer's error, if there was one, and when it returns no goroutine is left.
func (w *Writer) Close() error {
	err := w.z.Close()
	if failed := w.behind.failed(); failed != nil {
		return failed
	}
	return err
}

// Abort ends the Writer in place of Close, but not the stream: who reads that finds it cut off.
func (w *Writer) Abort() {
	w.behind.fail(errAborted)
	w.z.Close()
}
