package fetch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/retry"
	"drayage/internal/transfer"
	"drayage/layout"
)

// committer gives images their names in the layout when all their blobs are there. index.json is replaced and
// synced as a whole each time, so the committer names images together. A name waits longer where naming takes
// longer, and so all naming together takes a small part of the time, however many images there are.
type committer struct {
	opts  Options
	dst   destination
	ready chan *Result // has room for all: those who bring blobs do not wait for the disk
	wg    sync.WaitGroup
	gone  bool // parts of images were, when all had been there
}

// destination is a layout.Dir.
type destination interface {
	image.Source
	Push(ctx context.Context, d v1.Descriptor, src image.Source, reported func(held int64)) error
	Enter(ctx context.Context, entries []layout.Entry) (old []v1.Descriptor, err error)
	Missing(entries []layout.Entry) ([]int, error)
}

// Names wait pauses times as long as naming the last ones took, and maxPause at most. Whoever kills the
// process loses the names of so many images; their blobs stay.
const (
	pauses   = 8
	maxPause = 10 * time.Second
)

// newCommitter returns a committer of so many images at most. The caller ends it with close.
func newCommitter(ctx context.Context, dst destination, images int, opts Options) *committer {
	c := &committer{opts: opts, dst: dst, ready: make(chan *Result, images)}
	c.wg.Go(func() {
		pause := time.Duration(0)
		for t := range c.ready {
			batch := c.gather(t, pause)
			pause = min(pauses*c.commit(ctx, batch), maxPause)
			opts.complete(ctx, batch, dst)
		}
	})
	return c
}

// add takes an image whose blobs are all there, or that has failed.
func (c *committer) add(ctx context.Context, r *Result, err error) {
	if r.Err = err; err != nil {
		c.opts.finished(ctx, r) // nobody waits for its name
		return
	}
	c.ready <- r
}

// close returns when all images are finished.
func (c *committer) close() {
	close(c.ready)
	c.wg.Wait()
}

// gather returns t with all others that are ready within a time, or until there will be no more.
func (c *committer) gather(t *Result, within time.Duration) []*Result {
	batch := []*Result{t}
	end := time.NewTimer(within)
	defer end.Stop()
	for {
		select {
		case t, ok := <-c.ready:
			if !ok {
				return batch
			}
			batch = append(batch, t)
		case <-end.C:
			return batch
		}
	}
}

// commit writes the manifests of images whose blobs are all there, and then their names: what the layout
// names is complete. It returns how long naming took.
func (c *committer) commit(ctx context.Context, batch []*Result) time.Duration {
	for _, t := range batch {
		if t.Err == nil {
			t.Err = t.convert(ctx, c.dst)
		}
		if t.Err == nil {
			t.Image.Root, t.Err = t.Image.Entry(ctx, c.dst)
		}
	}
	c.manifests(ctx, batch)
	c.gone = refill(ctx, batch, c.dst) || c.gone
	begun := time.Now()
	for range maxJoins {
		if batch = c.enter(ctx, batch); len(batch) == 0 {
			return time.Since(begun)
		}
	}
	for _, t := range batch {
		t.Err = errors.New("other processes give its name to other platforms again and again")
	}
	return time.Since(begun)
}

// maxJoins is how often an image is joined to others that get its name meanwhile.
const maxJoins = 100

// enter names images. It returns those whose name another process has given away meanwhile: they have been
// joined to what it stands for, and are to be named again.
func (c *committer) enter(ctx context.Context, batch []*Result) (again []*Result) {
	var (
		entries []layout.Entry
		named   []*Result // whose entries they are
	)
	for _, t := range batch {
		if t.Err != nil {
			continue
		}
		for i, e := range t.entries() {
			if j := t.Image.joining; i == 0 && j != nil {
				over := j.over
				e.Over = &over
			}
			entries, named = append(entries, e), append(named, t)
		}
	}
	if len(entries) == 0 {
		return nil
	}
	replaced, err := c.dst.Enter(ctx, entries)
	for i, t := range named {
		switch {
		case err != nil:
			t.Err = fmt.Errorf("name in the layout: %w", err)
		case entries[i].Refused(replaced[i]):
			if t.Err = t.rejoin(ctx, c.dst, replaced[i]); t.Err == nil {
				again = append(again, t)
			}
		case entries[i].Descriptor.Digest == t.Image.Root.Digest && replaced[i].Digest != t.Image.Root.Digest:
			t.Replaced = replaced[i]
		}
	}
	c.gone = refill(ctx, again, c.dst) || c.gone
	return again
}

// refill looks once more whether all parts of the images are there, and brings again what is not: somebody
// may have cleaned up the layout, who could not know that a name was to come. What is gone for good is an
// error of the image. It reports whether anything was gone.
func refill(ctx context.Context, images []*Result, dst destination) (gone bool) {
	for _, r := range images {
		if r.Err != nil || ctx.Err() != nil {
			continue
		}
		for _, im := range r.Image.withReferrers() {
			for _, d := range im.Parts() {
				err := dst.Push(ctx, d, im.Source, func(held int64) { gone = gone || held < d.Size })
				if err != nil && r.Err == nil {
					r.Err = fmt.Errorf("%s was removed from the layout meanwhile: %w", d.Digest, err)
				}
			}
		}
	}
	return gone
}

// settle is how long to wait for somebody who cleans up, and who may have read index.json before the names
// were in it.
const settle = time.Second

// recheck looks at images that have been named until nothing is gone, a few times at most.
func (c *committer) recheck(ctx context.Context, images []*Result) {
	var lost []*Result
	for range 5 {
		gone := refill(ctx, images, c.dst)
		lost = c.restore(ctx, images)
		if len(lost) == 0 && !gone && !c.gone || retry.Sleep(ctx, settle) != nil {
			return
		}
		c.gone = false
	}
	for _, r := range lost {
		if r.Err == nil {
			r.Err = errors.New("another program removes its name from index.json again and again: " +
				"fetch it again when that has ended")
		}
	}
}

// restore enters again what is not in index.json any more: a tool that had read index.json before may have
// written it after us. It returns the images that this has befallen.
func (c *committer) restore(ctx context.Context, images []*Result) (lost []*Result) {
	var entries, again []layout.Entry
	var named []*Result // whose entries they are
	for _, r := range images {
		if r.Err == nil {
			for _, e := range r.entries() {
				entries, named = append(entries, e), append(named, r)
			}
		}
	}
	if len(entries) == 0 || ctx.Err() != nil {
		return nil
	}
	missing, err := c.dst.Missing(entries)
	for _, i := range missing {
		again, lost = append(again, entries[i]), append(lost, named[i])
	}
	if len(again) > 0 {
		_, err = c.dst.Enter(ctx, again)
		named = lost
	}
	if err != nil {
		for _, r := range named {
			r.Err = fmt.Errorf("name in the layout: %w", err)
		}
	}
	return lost
}

// keep lets the parts of an image be read from dst, where they are now, and not from memory. The platform
// comes to light now, if the configuration was not read before.
func (r *Result) keep(ctx context.Context, dst image.Source) {
	for _, im := range r.Image.withReferrers() {
		im.Source = dst
		im.Forget()
	}
	r.Image.Tell(ctx)
}

// manifests stores all manifests of a batch side by side, each once. They are in memory.
func (c *committer) manifests(ctx context.Context, batch []*Result) {
	plan := transfer.NewPlan[digest.Digest, *Result]()
	for _, r := range batch {
		if r.Err != nil {
			continue
		}
		plan.Enter(r)
		for _, im := range r.Image.withReferrers() {
			for _, n := range im.Manifests {
				d := n.Descriptor
				plan.Add(r, transfer.Job[digest.Digest]{Key: d.Digest, Blob: d, Source: im.Source})
			}
		}
	}
	plan.Begin(func(r *Result, err error) { r.Err = err })
	push := func(ctx context.Context, j transfer.Job[digest.Digest]) error {
		return c.dst.Push(ctx, j.Blob, j.Source, nil)
	}
	transfer.Run(ctx, plan.Jobs(), parallelImages, push, plan.Done)
}

// entries returns what index.json is to say about an image, first, and about its referrers.
func (r *Result) entries() []layout.Entry {
	all := []layout.Entry{{Descriptor: r.Image.Root, Name: r.Reference.Recorded(), Tag: r.Reference.Tag}}
	for _, f := range r.Image.Referrers {
		e := layout.Entry{Descriptor: f.Root}
		if f.Tag == "" {
			e.Subject = f.Subject
		} else {
			e.Name, e.Tag = r.Reference.Name()+":"+f.Tag, f.Tag
		}
		all = append(all, e)
	}
	return all
}
