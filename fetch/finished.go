package fetch

import (
	"context"
	"sync"

	"drayage/image"
)

// inTurn makes Finished be called by one goroutine at a time.
func (o Options) inTurn() Options {
	if f := o.Finished; f != nil {
		var mu sync.Mutex
		o.Finished = func(r Result) {
			mu.Lock()
			defer mu.Unlock()
			f(r)
		}
	}
	return o
}

// finished tells of an image that is finished. What failed after the end of ctx failed because of that.
func (o Options) finished(ctx context.Context, r *Result) {
	if o.Finished != nil && (r.Err == nil || ctx.Err() == nil) {
		o.Finished(*r)
	}
}

// complete tells of images that have been committed or have failed meanwhile. Those who are told want to
// know the platform: dst has the configuration.
func (o Options) complete(ctx context.Context, batch []*Result, dst image.Source) {
	if o.Finished == nil {
		return
	}
	for _, r := range batch {
		if r.Err == nil {
			there := r.Image.Image
			there.Source = dst
			there.Tell(ctx)
		}
		o.finished(ctx, r)
	}
}
