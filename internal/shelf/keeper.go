package shelf

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/source"
	"drayage/serve"
)

// Keeper opens again what is served when it has changed. Requests that have begun go on with what they began
// with. If something cannot be opened, everything stays as it is.
type Keeper struct {
	Specs    []source.Spec
	Options  Options
	Registry *serve.Registry

	// HungUp is called when a hang-up comes, before anything is opened. It may be nil.
	HungUp func()
	// Changed is told what is served from now on. Failed is told why it stays as it was.
	Changed func(before, now *Shelves)
	Failed  func(error)

	Every time.Duration // between two looks at the files; 0 means 2 s

	mu      sync.Mutex // Run alone changes what it guards
	now     *Shelves
	closing sync.WaitGroup // of what was replaced
}

// Run opens everything again when a hang-up comes and, if watch, when files have changed and then stay as
// they are for one look. It returns when ctx ends. The caller calls Close behind it, when nobody asks the
// registry any more.
func (k *Keeper) Run(ctx context.Context, now *Shelves, hangUps <-chan struct{}, watch bool) {
	k.set(now)
	var looks <-chan time.Time
	if watch {
		every := k.Every
		if every == 0 {
			every = 2 * time.Second
		}
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		looks = ticker.C
	}
	w := watched{opened: now.state}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangUps:
			if k.HungUp != nil {
				k.HungUp()
			}
			w = watched{opened: k.look()}
			k.reload(ctx)
		case <-looks:
			if w.changed(k.look()) {
				k.reload(ctx)
			}
		}
	}
}

// look looks at all files.
func (k *Keeper) look() state { return lookAll(k.Specs, k.Options.Source.Volumes) }

// watched are files that are looked at again and again.
type watched struct {
	opened    state // as they were when they were opened
	seen      state // as they were at the last look, if different; without any when the folder was empty
	different bool
}

// changed reports whether the files have changed and do not go on changing.
func (w *watched) changed(now state) bool {
	switch {
	case now.equal(w.opened):
		w.different = false
	case w.different && now.equal(w.seen):
		*w = watched{opened: now}
		return true
	default:
		w.seen, w.different = now, true
	}
	return false
}

// reload opens everything again and serves it from then on.
func (k *Keeper) reload(ctx context.Context) {
	opts := k.Options
	opts.Before = k.now
	opened, err := Open(ctx, k.Specs, opts)
	if ctx.Err() != nil && err != nil {
		return
	}
	if err != nil {
		k.Failed(err)
		return
	}
	before := k.now
	k.set(opened)
	_, idle := k.Registry.Replace(serve.NewCatalog(opened.Shelves))
	k.Changed(before, opened)
	k.closing.Go(func() {
		<-idle
		before.Close()
	})
}

func (k *Keeper) set(now *Shelves) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = now
}

// Observe takes what the registry says of a request: a compressed layer that is not what it was is made anew
// at the next start.
func (k *Keeper) Observe(e serve.Event) {
	d, err := digest.Parse(e.Reference)
	if e.What != serve.WhatBlob || !errors.Is(e.Err, image.ErrIntegrity) || err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now != nil {
		k.now.drop(d)
	}
}

// Close closes everything, when the last request that uses it has ended.
func (k *Keeper) Close() {
	k.closing.Wait()
	k.now.Close()
}

// Difference says what has come and what has gone between two states.
func Difference(before, now *Shelves) (come, gone int) {
	count := func(s *Shelves) map[string]bool {
		all := map[string]bool{}
		for _, sh := range s.Shelves {
			for _, im := range sh.Images {
				names := im.Names
				if len(names) == 0 {
					names = []string{""}
				}
				for _, name := range names {
					all[name+"@"+im.Root.Digest.String()] = true
				}
			}
		}
		return all
	}
	a, b := count(before), count(now)
	for key := range b {
		if !a[key] {
			come++
		}
	}
	for key := range a {
		if !b[key] {
			gone++
		}
	}
	return come, gone
}
