package volume

import (
	"context"
	"runtime"
	"sync"
)

// Check compares every block of every volume with its hash, those of parity volumes too, on all processors.
// Blocks that were read before are not read again. progress is told how many bytes have been compared so far,
// by one caller at a time; it may be nil. An error is only about ctx: what is wrong with volumes is in their
// health.
func (f *Files) Check(ctx context.Context, progress func(done int64)) (*Health, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan place)
	var told sync.Mutex
	var done int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), maxAtOnce) {
		workers.Go(func() {
			buf := make([]byte, readSize)
			for at := range work {
				n := f.checkBlock(ctx, at, buf)
				told.Lock()
				if done += n; progress != nil {
					progress(done)
				}
				told.Unlock()
			}
		})
	}
	f.hand(ctx, work)
	close(work)
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return f.health(), nil
}

// hand gives out all blocks that can be read, in order.
func (f *Files) hand(ctx context.Context, work chan<- place) {
	for i := range f.states {
		if f.states[i].Condition == Missing {
			continue
		}
		for b := range f.checked[i] {
			select {
			case work <- place{volume: i, block: b}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// checkBlock compares a block, unless that has been done. It returns the size of the block.
func (f *Files) checkBlock(ctx context.Context, at place, buf []byte) int64 {
	offset, size, want := f.set.BlockAt(at.volume, at.block)
	f.mu.Lock()
	known := f.checked[at.volume][at.block] != unknown
	f.mu.Unlock()
	if known {
		return size
	}
	file, err := f.file(at.volume)
	if err != nil {
		err = f.unreadable(at.volume, at.block, err)
	} else {
		sum, failed := hashAt(file, offset, size, buf, func() error { return context.Cause(ctx) })
		switch {
		case context.Cause(ctx) != nil:
			return 0
		case failed != nil:
			err = f.unreadable(at.volume, at.block, failed)
		case sum != want:
			err = f.badBlock(at.volume, at.block)
		}
	}
	f.mark(at.volume, at.block, err)
	return size
}

// health says how all volumes are after all their blocks were compared.
func (f *Files) health() *Health {
	h := f.Found()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range h.States {
		s := &h.States[i]
		if s.Condition == Missing {
			continue
		}
		s.Bad = nil
		for b, what := range f.checked[i] {
			if what != right {
				s.Bad = join(s.Bad, Range{b, b + 1})
			}
		}
		if f.why[i] != nil {
			s.Why = f.why[i]
		}
		switch {
		case s.Condition == Short || s.Condition == Long:
		case len(s.Bad) > 0:
			s.Condition = Damaged
		default:
			s.Condition = Whole
		}
	}
	return h
}
