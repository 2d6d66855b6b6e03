package pack

import (
	"io"
	"sync"
)

// patient hides from a compressor that writing has failed: pgzip would leave goroutines behind. It drops
// what is written after a failure.
type patient struct {
	w io.Writer

	mu  sync.Mutex
	err error
}

func (p *patient) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Write implements io.Writer. It never fails.
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
