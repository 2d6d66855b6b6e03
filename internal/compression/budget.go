package compression

import (
	"context"
	"runtime/debug"

	"golang.org/x/sync/semaphore"

	"drayage/internal/limits"
)

// Budget is memory that decoders share, so that many of them at once take no more than a few. A decoder
// waits until there is room for it. One that needs more than there is in all has the budget for itself. It
// may be used concurrently. A nil budget has room for everything.
type Budget struct {
	size int64
	room *semaphore.Weighted
}

// NewBudget returns a budget of so many bytes.
func NewBudget(size int64) *Budget { return &Budget{size, semaphore.NewWeighted(size)} }

// The budgets of the process. What decodes for a [Sources] reader may itself wait for [Layers], and never the
// other way round: so nobody waits for himself.
var (
	Layers  = NewBudget(limits.Decoders)
	Sources = NewBudget(limits.Dictionary) // of layers that are unpacked before they are read as layers
)

// lease is a part of a budget.
type lease struct {
	budget *Budget
	size   int64 // of the memory that it is for
	held   int64
}

// take waits for room.
func (b *Budget) take(ctx context.Context, size int64) (lease, error) {
	if b == nil {
		return lease{size: size}, nil
	}
	n := min(size, b.size)
	return lease{b, size, n}, b.room.Acquire(ctx, n)
}

// manyBytes is so much memory that it is given back at once, and not only when the collector gets to it.
const manyBytes = 16 << 20

// end gives the lease back. used is how much of the memory may have been touched; nobody may refer to it.
func (l *lease) end(used int64) {
	if min(l.size, used) >= manyBytes {
		debug.FreeOSMemory()
	}
	if l.budget != nil {
		l.budget.room.Release(l.held)
	}
	*l = lease{}
}
