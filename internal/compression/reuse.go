package compression

import (
	"bufio"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// An archive may have very many small layers. Buffers that are much larger than these are used again.
var (
	inputs = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}
	gzips  = sync.Pool{New: func() any { return new(gzip.Reader) }}
)

// reused is a reader whose input goes back to the pool when it is closed.
type reused struct {
	io.ReadCloser
	input *bufio.Reader // nil once it has gone
}

func (r *reused) Close() error {
	if r.input == nil {
		return nil
	}
	err := r.ReadCloser.Close()
	release(r.input)
	r.ReadCloser, r.input = closed{}, nil
	return err
}

func release(input *bufio.Reader) {
	input.Reset(nil)
	inputs.Put(input)
}

// closed is what is left of a reader.
type closed struct{}

func (closed) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func (closed) Close() error { return nil }
