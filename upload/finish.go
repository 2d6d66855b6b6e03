package upload

import (
	"context"
	"sync"

	"drayage/internal/transfer"
)

// finisher stores the manifests of images whose blobs are all there, beside the transfer of the others' blobs.
type finisher struct {
	p     *pusher
	slots chan struct{}
	wg    sync.WaitGroup
	told  sync.Mutex // held while Options.Finished is called
}

func newFinisher(p *pusher) *finisher {
	return &finisher{p: p, slots: make(chan struct{}, transfer.DefaultJobs)}
}

// finish begins to store the manifests of im, which nobody else touches from here on.
func (f *finisher) finish(ctx context.Context, im *tracked) {
	f.slots <- struct{}{}
	f.wg.Go(func() {
		defer func() { <-f.slots }()
		if im.Err == nil {
			im.Err = f.p.manifests(ctx, im)
		}
		if f.p.opts.Finished != nil {
			f.told.Lock()
			defer f.told.Unlock()
			f.p.opts.Finished(im.Result)
		}
	})
}

func (f *finisher) wait() { f.wg.Wait() }
