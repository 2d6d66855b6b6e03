package upload

import (
	"context"
	"sync"

	"drayage/internal/transfer"
)

// finisher stores the manifests of images whose blobs are all there, beside the transfer of the others'
// blobs.
type finisher struct {
	p     *pusher
	slots chan struct{}
	wg    sync.WaitGroup
	told  sync.Mutex // held while Options.Finished is called
}

func newFinisher(p *pusher) *finisher {
	return &finisher{p: p, slots: make(chan struct{}, transfer.DefaultJobs)}
}

// finish begins to store the manifests of an image, unless it has failed. Nobody else touches r from here on.
func (f *finisher) finish(ctx context.Context, r *Result, err error) {
	f.slots <- struct{}{}
	f.wg.Go(func() {
		defer func() { <-f.slots }()
		if r.Err = err; err == nil {
			r.Err = f.p.manifests(ctx, r)
		}
		if f.p.opts.Finished != nil {
			f.told.Lock()
			defer f.told.Unlock()
			f.p.opts.Finished(*r)
		}
	})
}

func (f *finisher) wait() { f.wg.Wait() }
