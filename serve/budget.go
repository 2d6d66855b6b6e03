package serve

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// budget is memory that answers share. A client that takes nothing keeps its part, so each kind of answer has
// a budget of its own: clients that stall in blobs must not keep others from manifests.
type budget struct {
	free *semaphore.Weighted
	all  int64
}

func newBudget(size int64) budget { return budget{semaphore.NewWeighted(size), size} }

// take waits until there is memory. An answer that needs more than there is gets all of it. The error is
// context.Canceled: the client has gone away.
func (b budget) take(ctx context.Context, size int64) (giveBack func(), err error) {
	size = min(size, b.all)
	if b.free.Acquire(ctx, size) != nil {
		return nil, context.Canceled
	}
	return func() { b.free.Release(size) }, nil
}
