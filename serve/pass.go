package serve

import (
	"context"
	"errors"
	"io"
	"sync"

	"drayage/image"
)

// ahead is how many blocks a pass reads before somebody wants them. recent is how many it keeps for those who
// come along with it.
const (
	ahead  = 2
	recent = 3
)

// pass reads a blob once from its beginning, verifies it, and makes its table. All who are sent the blob
// share it. It goes as fast as the fastest of them takes blocks, which then need not be read twice.
type pass struct {
	key    passKey
	table  *table
	cancel context.CancelCauseFunc
	ended  chan struct{}
	users  int // guarded by the prover

	giveBack func() // memory

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, when something of what follows has changed
	near    int           // the block that a stream beside the pass wants
	far     int           // the block that a stream wants which has to wait for the pass to get there
	wants   chan struct{} // tells the pass that one of these has changed
	recent  [recent]*block
	state   error // nil while it runs, errProven, or why the blob cannot be sent
}

// errProven is the state of a pass after the blob has turned out right.
var errProven = errors.New("proven")

// run reads the blob. rush lets in who reads for streams that wait far ahead: these passes go as fast as they
// can, and a few at once are enough.
func (p *pass) run(ctx context.Context, content Content, c coder, rush chan struct{}) error {
	r := image.NewReader(ctx, content, p.table.desc)
	defer r.Close()
	rushing := false
	defer func() {
		if rushing {
			<-rush
		}
	}()
	for i := range p.table.blocks() {
		var err error
		if rushing, err = p.turn(ctx, i, rushing, rush); err != nil {
			return err
		}
		b := newBlock(p.table.block, p.table.length(i))
		if _, err := io.ReadFull(r, b.bytes); err != nil { // of the last one it says whether all was right
			b.done()
			return err
		}
		p.publish(i, b, c.code(b.bytes))
	}
	return errProven
}

// turn waits until somebody wants a block. It returns whether the pass holds a place in rush.
func (p *pass) turn(ctx context.Context, i int, rushing bool, rush chan struct{}) (bool, error) {
	for {
		p.mu.Lock()
		near, far := i <= p.near+ahead, i <= p.far
		p.mu.Unlock()
		if rushing && !far {
			<-rush
			rushing = false
		}
		if near || rushing {
			return rushing, context.Cause(ctx)
		}
		enter := rush
		if !far {
			enter = nil
		}
		select {
		case enter <- struct{}{}:
			rushing = true
		case <-p.wants:
		case <-ctx.Done():
			return rushing, context.Cause(ctx)
		}
	}
}

// publish gives out a block.
func (p *pass) publish(i int, b *block, c code) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.table.codes = append(p.table.codes, c)
	p.recent[i%recent].done()
	p.recent[i%recent] = b
	p.wake()
}

// wake tells all who wait for the pass. The caller holds its lock.
func (p *pass) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// end enters what has come of the pass.
func (p *pass) end(state error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
	p.wake()
}

// take waits for a block. With last it also waits until the whole blob has turned out right. It returns the
// code of the block, and the block itself if the pass has it still. The caller has done with that some time.
func (p *pass) take(ctx context.Context, i int, last bool) (b *block, c code, err error) {
	for {
		p.mu.Lock()
		known := i < len(p.table.codes)
		if known && b == nil && i >= len(p.table.codes)-recent && p.recent[i%recent] != nil {
			b = p.recent[i%recent].share()
		}
		state, changed := p.state, p.changed
		if state == nil {
			p.want(i, known && last)
		}
		if known {
			c = p.table.codes[i]
		}
		p.mu.Unlock()
		switch {
		case state != nil && state != errProven:
			b.done()
			return nil, c, state
		case known && (!last || state == errProven):
			return b, c, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			b.done()
			return nil, c, context.Cause(ctx)
		}
	}
}

// want tells the pass that a stream has come to a block, and whether it waits for the proof. The caller holds
// the lock.
func (p *pass) want(i int, proof bool) {
	near, far := p.near, p.far
	switch {
	case proof:
		p.far = p.table.blocks()
	case i <= len(p.table.codes)+ahead:
		p.near = max(p.near, i)
	default:
		p.far = max(p.far, i)
	}
	if near != p.near || far != p.far {
		select {
		case p.wants <- struct{}{}:
		default:
		}
	}
}

// release gives up the blocks that the pass keeps.
func (p *pass) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, b := range p.recent {
		b.done()
		p.recent[i] = nil
	}
}
