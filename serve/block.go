package serve

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// block is a part of a blob in memory. Several streams may send it at once: the last one gives it back.
type block struct {
	bytes []byte
	users atomic.Int32
	pool  *sync.Pool
}

// pools have the blocks of each size.
var pools [64]sync.Pool

// newBlock returns a block with one user and room for size bytes, which is a power of two.
func newBlock(size int64, length int) *block {
	pool := &pools[bits.Len64(uint64(size))]
	b, _ := pool.Get().(*block)
	if b == nil {
		b = &block{bytes: make([]byte, size), pool: pool}
	}
	b.bytes = b.bytes[:length]
	b.users.Store(1)
	return b
}

// share adds a user, before an earlier one has done with the block.
func (b *block) share() *block {
	b.users.Add(1)
	return b
}

// done says that a user does not need the block any more. b may be nil.
func (b *block) done() {
	if b != nil && b.users.Add(-1) == 0 {
		b.pool.Put(b)
	}
}
