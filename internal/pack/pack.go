// Package pack compresses one stream on several processors. [NewGzip] makes gzip (RFC 1952), [NewZstd]
// makes Zstandard (RFC 8878). The same content and the same parameters always give the same bytes, whatever
// the number of processors and the sizes of the writes.
package pack

import (
	"cmp"
	"errors"
	"io"
	"sync"
)

// Each worker holds some blocks, so the number of workers decides how much memory a writer takes. This many
// keep pace with the code that unpacks and hashes their input.
const (
	maxGzipWorkers = 8
	maxZstdWorkers = 4
	minZstdWorkers = 2 // a single worker of the zstd package divides its input in another way
)

// errAborted ends an aborted stream. No caller sees it.
var errAborted = errors.New("aborted")

// Writer compresses what is written to it. It is for one goroutine. It has goroutines of its own until Close
// or Abort.
type Writer struct {
	z      io.WriteCloser
	behind *patient
}

// NewGzip is [Encoders.NewGzip] for callers that compress one stream.
func NewGzip(w io.Writer, level, block int) (*Writer, error) {
	return new(Encoders).NewGzip(w, level, block)
}

// NewZstd is [Encoders.NewZstd] for callers that compress one stream.
func NewZstd(w io.Writer, level, window int) (*Writer, error) {
	return new(Encoders).NewZstd(w, level, window)
}

// Write compresses b. An error of w may show some calls later.
func (w *Writer) Write(b []byte) (int, error) {
	if err := w.behind.failed(); err != nil {
		return 0, err
	}
	return w.z.Write(b)
}

// Close writes what is left and ends the compressed stream. It does not close w. It returns the error of w,
// if there was one. When it returns, no goroutine is left.
func (w *Writer) Close() error {
	err := w.z.Close()
	return cmp.Or(w.behind.failed(), err)
}

// Abort is for use in place of Close. It leaves a compressed stream that every reader finds cut off.
func (w *Writer) Abort() {
	w.behind.fail(errAborted)
	w.z.Close()
}

// The parameters for a whole archive. On a tar of libraries with two processors, gzip 6 makes 35.5% of it at
// 210 MB/s (level 1: 40% at 370), and zstd 3 makes 34% at 280 MB/s or more (level 6: 33% at 135). A larger
// window saves one percent of that and takes twice the memory.
const (
	gzipLevel  = 6
	gzipBlock  = 512 << 10
	zstdLevel  = 3
	zstdWindow = 256 << 10
)

// Kind is how an archive is compressed.
type Kind string

// The kinds of compression.
const (
	None Kind = ""
	Gzip Kind = "gzip"
	Zstd Kind = "zstd"
)

// Archive compresses what write writes, and sends it to w. After an error w holds a stream that every reader
// finds cut off.
func Archive(w io.Writer, kind Kind, write func(io.Writer) error) error {
	var z *Writer
	var err error
	switch kind {
	case Gzip:
		z, err = NewGzip(w, gzipLevel, gzipBlock)
	case Zstd:
		z, err = NewZstd(w, zstdLevel, zstdWindow)
	default:
		return write(w)
	}
	if err != nil {
		return err
	}
	if err := write(z); err != nil {
		z.Abort()
		return err
	}
	return z.Close()
}

// patient hides from a compressor that writing has failed: pgzip would leave goroutines behind. After a
// failure patient drops what it gets. Its Write never fails.
type patient struct {
	w   io.Writer
	mu  sync.Mutex
	err error
}

func (p *patient) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *patient) Write(b []byte) (int, error) {
	if p.failed() != nil {
		return len(b), nil
	}
	n, err := p.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		p.fail(err)
	}
	return len(b), nil
}

func (p *patient) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}
