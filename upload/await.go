package upload

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/internal/transfer"
	"drayage/registry"
)

// The pauses between two looks at what other processes have brought. Between them, a pause is an eighth of
// the time that has passed: nobody waits much longer than needed, and no registry is asked all the time.
const (
	shortPause = 200 * time.Millisecond
	longPause  = 5 * time.Second
)

// divide tells jobs whose blobs other shards wait for, and those whose blobs other shards bring, from the
// rest.
func (p *pusher) divide(jobs []job) (first, rest, theirs []job) {
	for _, j := range jobs {
		t, o := p.tasks[j.Key], p.opts.Sharing.of(j.Blob.Digest)
		nearer := t.from != nil && t.from.SameRegistry(t.repo)
		switch {
		case o == nil || t.layer != nil || t.gathered || nearer:
			rest = append(rest, j)
		case o.home.shard == p.opts.Sharing.own:
			first = append(first, j)
		default:
			theirs = append(theirs, j)
		}
	}
	return first, rest, theirs
}

// waiting is the end of a push: all else is done, and blobs have still to come from other shards.
type waiting struct {
	*pusher
	blobs map[digest.Digest]*awaited
	last  map[int]time.Time // when something came from another shard, or the waiting began
}

// awaited is a blob that another shard brings.
type awaited struct {
	jobs []job // one for each repository
	home *registry.Repository
	by   int // the shard

	there, refused bool // what the last look has shown
}

// await does jobs whose blobs other processes bring, as soon as these are there, or long enough not.
func (p *pusher) await(ctx context.Context, jobs []job) {
	if len(jobs) == 0 {
		return
	}
	w := &waiting{pusher: p, blobs: map[digest.Digest]*awaited{}, last: map[int]time.Time{}}
	for _, j := range jobs {
		w.add(j)
	}
	began := time.Now()
	for told := false; len(w.blobs) > 0 && ctx.Err() == nil; told = true {
		w.look(ctx)
		if !told {
			w.tell(w.opts.Sharing.Waiting, w.all())
		}
		ready, missing := w.sort(time.Now())
		w.tell(w.opts.Sharing.Missing, missing)
		w.bring(ctx, missing)
		w.end(ctx, append(ready, missing...))
		if len(w.blobs) > 0 {
			wait(ctx, min(max(time.Since(began)/8, shortPause), longPause))
		}
	}
	w.end(ctx, w.all()) // after the end of ctx, which is their outcome
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (w *waiting) add(j job) {
	d := j.Blob.Digest
	if w.blobs[d] == nil {
		h := w.opts.Sharing.of(d).home
		w.blobs[d] = &awaited{home: w.tasks[j.Key].repo.Beside(h.repository), by: h.shard}
		w.last[h.shard] = time.Now()
	}
	w.blobs[d].jobs = append(w.blobs[d].jobs, j)
}

// all lists the blobs that are awaited, in an order that does not change.
func (w *waiting) all() (all []*awaited) {
	for _, a := range w.blobs {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *awaited) int {
		return cmp.Compare(a.jobs[0].Blob.Digest, b.jobs[0].Blob.Digest)
	})
	return all
}

// tell tells of each shard how many of some blobs it has still to bring.
func (w *waiting) tell(told func(shard, blobs int), some []*awaited) {
	if told == nil {
		return
	}
	n := map[int]int{}
	for _, a := range some {
		if !a.there {
			n[a.by]++
		}
	}
	for _, shard := range slices.Sorted(maps.Keys(n)) {
		told(shard, n[shard])
	}
}

// look asks for all blobs whether they have come to where they are to be taken from.
func (w *waiting) look(ctx context.Context) {
	var eg sync.WaitGroup
	slots := make(chan struct{}, parallelLooks)
	for _, a := range w.blobs {
		slots <- struct{}{}
		eg.Go(func() {
			defer func() { <-slots }()
			there, err := a.home.Exists(ctx, a.jobs[0].Blob)
			a.there, a.refused = there, err != nil
		})
	}
	eg.Wait()
}

// sort tells the blobs that have come, and those that come too late or cannot be asked for.
func (w *waiting) sort(now time.Time) (ready, missing []*awaited) {
	all := w.all()
	for _, a := range all {
		if a.there {
			ready = append(ready, a)
			w.last[a.by] = now
		}
	}
	for _, a := range all {
		if !a.there && (a.refused || w.overdue(a, now)) {
			missing = append(missing, a)
		}
	}
	return ready, missing
}

// overdue reports whether a blob has not come in time, so that it is up to this process to bring it. Those
// whose turn it is before have had their time then, unless they count as missing too.
func (w *waiting) overdue(a *awaited, now time.Time) bool {
	turns, d := 1, a.jobs[0].Blob
	for _, shard := range w.opts.Sharing.before(d.Digest) {
		if last, known := w.last[shard]; !known || now.Sub(last) < w.opts.Sharing.patience(0) {
			turns++
		}
	}
	return now.Sub(w.last[a.by]) >= time.Duration(turns)*w.opts.Sharing.patience(d.Size)
}

// bring sends blobs that have not come to where all others look for them. What cannot go there goes to where
// it is needed, as if no other process had it.
func (w *waiting) bring(ctx context.Context, missing []*awaited) {
	var jobs []job
	for _, a := range missing {
		if !a.refused {
			jobs = append(jobs, a.jobs[0])
		}
	}
	send := func(ctx context.Context, j job) error {
		return w.blob(ctx, w.blobs[j.Blob.Digest].home, j, w.reporting(j))
	}
	transfer.Run(ctx, jobs, w.opts.Jobs, send, func(job, error) {})
}

// end does the jobs of blobs that wait no more.
func (w *waiting) end(ctx context.Context, some []*awaited) {
	var jobs []job
	for _, a := range some {
		d := a.jobs[0].Blob.Digest
		if a.there {
			w.knows(a.home, d)
		}
		jobs = append(jobs, a.jobs...)
		delete(w.blobs, d)
	}
	transfer.Run(ctx, jobs, w.opts.Jobs, w.do, w.plan.Done)
}
