package serve

import (
	"context"
	"runtime"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// prover knows for each blob which of its blocks are right.
type prover struct {
	coder  coder
	memory budget // for passes
	rush   chan struct{}

	mu     sync.Mutex
	tables tables
	passes map[passKey]*pass
}

type passKey struct {
	place
	digest digest.Digest
}

func newProver(memory budget) *prover {
	return &prover{coder: newCoder(), memory: memory, rush: make(chan struct{}, max(2, runtime.GOMAXPROCS(0)/2)),
		passes: map[passKey]*pass{}}
}

// join returns the table of a blob that has been verified, or else the pass that verifies it. The caller
// leaves that. If there has to be a new pass, join waits until there is memory for it. The error is
// context.Canceled then: the client has gone away.
func (v *prover) join(ctx context.Context, at place, d v1.Descriptor) (*table, *pass, error) {
	if t, p, _ := v.enter(ctx, at, d, nil); t != nil {
		return t, p, nil
	}
	giveBack, err := v.memory.take(ctx, min(d.Size, recent*blockOf(d.Size)))
	if err != nil {
		return nil, nil, err
	}
	t, p, made := v.enter(ctx, at, d, giveBack)
	if !made { // somebody else was faster
		giveBack()
	}
	return t, p, nil
}

// enter is join. It makes a new pass only if there is memory for that, which is given back at the end of the
// pass.
func (v *prover) enter(
	ctx context.Context, at place, d v1.Descriptor, giveBack func(),
) (_ *table, _ *pass, made bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if t := v.tables.get(d.Digest); t != nil && t.desc.Size == d.Size {
		return t, nil, false
	}
	key := passKey{at, d.Digest}
	p := v.passes[key]
	if p == nil && giveBack == nil {
		return nil, nil, false
	}
	if made = p == nil; made {
		ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx)) // others may wait for it too
		p = &pass{key: key, table: newTable(d), cancel: cancel, ended: make(chan struct{}), near: -1, far: -1,
			changed: make(chan struct{}), wants: make(chan struct{}, 1), giveBack: giveBack}
		v.passes[key] = p
		go v.run(ctx, p)
	}
	p.users++
	return p.table, p, made
}

// run makes a pass.
func (v *prover) run(ctx context.Context, p *pass) {
	defer close(p.ended)
	state := p.run(ctx, p.key.content(), v.coder, v.rush)
	v.mu.Lock()
	if v.passes[p.key] == p {
		delete(v.passes, p.key)
	}
	if state == errProven {
		v.tables.add(p.table)
	}
	v.mu.Unlock()
	p.end(state)
}

// leave ends the use of a pass. The last user ends the pass, and waits for that: nothing reads from a shelf
// when no request does.
func (v *prover) leave(p *pass) {
	v.mu.Lock()
	p.users--
	last := p.users == 0
	if last && v.passes[p.key] == p {
		delete(v.passes, p.key)
	}
	v.mu.Unlock()
	if last {
		p.cancel(context.Canceled)
		<-p.ended
		p.release()
		p.giveBack()
	}
}
