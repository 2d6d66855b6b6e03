package transfer

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"drayage/image"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Job is one blob to move.
type Job struct {
	Blob   v1.Descriptor
	Source image.Source
}

// DefaultJobs is how many blobs move at once unless the user says otherwise. Besides them smallJobs more of
// less than smallSize move: what these take is the way to the registry and back, not the line.
const (
	DefaultJobs = 8
	smallJobs   = 16
	smallSize   = 4 << 20
)

// Run does all jobs, the largest first so that the last to finish is a small one, at most limit at once
// (DefaultJobs and some small ones if limit is not positive). A job that fails does not stop the others;
// each one's outcome is given to finished, which is called by one goroutine at a time. After ctx has ended,
// what has not begun finishes with its error. Run returns when every job has finished.
func Run(ctx context.Context, jobs []Job, limit int, do func(context.Context, Job) error, finished func(Job, error)) {
	extra := 0
	if limit <= 0 {
		limit, extra = DefaultJobs, smallJobs
	}
	q := newQueue(jobs)
	extra = min(extra, len(q.small))
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	work := func(next func() (Job, bool)) {
		for j, ok := next(); ok; j, ok = next() {
			err := context.Cause(ctx)
			if err == nil {
				err = do(ctx, j)
			}
			mu.Lock()
			finished(j, err)
			mu.Unlock()
		}
	}
	for range min(limit, len(jobs)) {
		wg.Go(func() { work(q.any) })
	}
	for range extra {
		wg.Go(func() { work(q.onlySmall) })
	}
	wg.Wait()
}

// queue gives out jobs, the largest first.
type queue struct {
	mu           sync.Mutex
	large, small []Job
}

func newQueue(jobs []Job) *queue {
	jobs = slices.Clone(jobs)
	slices.SortStableFunc(jobs, func(a, b Job) int { return cmp.Compare(b.Blob.Size, a.Blob.Size) })
	at := slices.IndexFunc(jobs, func(j Job) bool { return j.Blob.Size < smallSize })
	if at < 0 {
		at = len(jobs)
	}
	return &queue{large: jobs[:at], small: jobs[at:]}
}

func (q *queue) any() (Job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j, ok := pop(&q.large); ok {
		return j, true
	}
	return pop(&q.small)
}

func (q *queue) onlySmall() (Job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return pop(&q.small)
}

func pop(jobs *[]Job) (j Job, ok bool) {
	if len(*jobs) == 0 {
		return j, false
	}
	j, *jobs = (*jobs)[0], (*jobs)[1:]
	return j, true
}
