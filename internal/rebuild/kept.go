package rebuild

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
)

// kept is a file without a name that is made once and shared by its readers. While nobody reads it, it may go
// to make room, and is made again when somebody needs it. The zero value is ready.
type kept struct {
	gate gate // held by whoever makes the file

	mu    sync.Mutex
	file  *os.File
	users int
}

// gate lets one through at a time.
type gate struct {
	once sync.Once
	c    chan struct{}
}

func (g *gate) enter(ctx context.Context) error {
	g.once.Do(func() { g.c = make(chan struct{}, 1) })
	select {
	case g.c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *gate) leave() { <-g.c }

// use returns the file, which make makes if it is not there. The caller calls release when it has read it. A
// maker that fails leaves nothing: the next one tries again.
func (k *kept) use(
	ctx context.Context, make func() (*os.File, error),
) (f *os.File, release func(), err error) {
	if err := k.gate.enter(ctx); err != nil {
		return nil, nil, err
	}
	defer k.gate.leave()
	if f = k.take(); f == nil {
		if f, err = make(); err != nil {
			return nil, nil, err
		}
		k.mu.Lock()
		k.file, k.users = f, 1
		k.mu.Unlock()
	}
	return f, sync.OnceFunc(k.release), nil
}

// made reports whether the file is there.
func (k *kept) made() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.file != nil
}

// take is the file for one more reader, or nil.
func (k *kept) take() *os.File {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file != nil {
		k.users++
	}
	return k.file
}

func (k *kept) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users--
}

// drop removes the file if nobody reads it. It reports whether it has.
func (k *kept) drop() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil || k.users > 0 {
		return false
	}
	k.file.Close()
	k.file = nil
	return true
}

// close removes the file.
func (k *kept) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil {
		return nil
	}
	err := k.file.Close()
	k.file = nil
	return err
}

// roomy calls make, and once more if the disk was full and files that nobody reads could go.
func (s *Source) roomy(make func() (*os.File, error)) (*os.File, error) {
	f, err := make()
	if errors.Is(err, syscall.ENOSPC) && s.dropIdle() {
		return make()
	}
	return f, err
}

// dropIdle removes all files that nobody reads. It reports whether there were any.
func (s *Source) dropIdle() (some bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.layers {
		some = l.whole.drop() || some
	}
	for _, b := range s.bases {
		some = b.file.drop() || some
	}
	return some
}

// part is a part of a file that is kept.
type part struct {
	io.Reader
	release func()
}

func (p *part) Close() error {
	p.release()
	return nil
}
