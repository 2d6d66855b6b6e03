package fetch

import (
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"

	"drayage/internal/transfer"
	"drayage/layout"
)

// committer gives images their names in the layout when all their blobs are there. It names images together
// that become complete while it is busy, because index.json has to be replaced and synced each time.
type committer struct {
	dst   *layout.Dir
	ready chan *Result // has room for all: those who bring blobs do not wait for the disk
	wg    sync.WaitGroup
}

// newCommitter returns a committer of so many images at most. The caller ends it with close.
func newCommitter(ctx context.Context, dst *layout.Dir, images int) *committer {
	c := &committer{dst: dst, ready: make(chan *Result, images)}
	c.wg.Go(func() {
		for t := range c.ready {
			c.commit(ctx, c.gather(t))
		}
	})
	return c
}

// add takes an image whose blobs are all there, or that has failed.
func (c *committer) add(r *Result, err error) {
	r.Err = err
	c.ready <- r
}

// close returns when all images are finished.
func (c *committer) close() {
	close(c.ready)
	c.wg.Wait()
}

// gather returns t with all others that are ready.
func (c *committer) gather(t *Result) []*Result {
	batch := []*Result{t}
	for {
		select {
		case t, ok := <-c.ready:
			if !ok {
				return batch
			}
			batch = append(batch, t)
		default:
			return batch
		}
	}
}

// commit writes the manifests of images whose blobs are all there, and then their names: what the layout
// names is complete.
func (c *committer) commit(ctx context.Context, batch []*Result) {
	for _, t := range batch {
		if t.Err == nil {
			t.Err = t.convert(ctx, c.dst)
		}
	}
	c.manifests(ctx, batch)
	var (
		entries []layout.Entry
		named   []*Result // whose entries they are
	)
	for _, t := range batch {
		if t.Err == nil {
			for _, e := range t.entries() {
				entries, named = append(entries, e), append(named, t)
			}
		}
	}
	if len(entries) == 0 {
		return
	}
	replaced, err := c.dst.Enter(ctx, entries)
	for i, t := range named {
		switch {
		case err != nil:
			t.Err = fmt.Errorf("name in the layout: %w", err)
		case entries[i].Descriptor.Digest == t.Image.Root.Digest && replaced[i].Digest != t.Image.Root.Digest:
			t.Replaced = replaced[i]
		}
	}
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
	name := cmp.Or(r.Reference.Tagged(), r.Reference.String())
	all := []layout.Entry{{Descriptor: r.Image.Root, Name: name, Tag: r.Reference.Tag}}
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
