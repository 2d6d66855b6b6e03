package transfer

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"drayage/image"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Job is one blob to move. Its key tells the caller what the job is for.
type Job[K comparable] struct {
	Key    K
	Blob   v1.Descriptor
	Source image.Source
}

// DefaultJobs is how many blobs move at once unless the user says otherwise. Besides them, smallJobs more
// blobs of less than smallSize bytes move: the way to the registry and back takes most of their time, not
// the line.
const (
	DefaultJobs = 8
	smallJobs   = 16
	smallSize   = 4 << 20
)

// Run does all jobs, at most limit at once. If limit is not positive it is DefaultJobs and some small ones.
// It begins with the largest, so that the last one to finish is small. A job that fails does not stop the
// others. Run calls finished with the outcome of each job, by one goroutine at a time. When ctx has ended,
// jobs that have not begun finish with its cause. Run returns when every job has finished.
func Run[K comparable](
	ctx context.Context, jobs []Job[K], limit int,
	do func(context.Context, Job[K]) error, finished func(Job[K], error),
) {
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
	work := func(next func() (Job[K], bool)) {
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
type queue[K comparable] struct {
	mu           sync.Mutex
	large, small []Job[K]
}

func newQueue[K comparable](jobs []Job[K]) *queue[K] {
	jobs = slices.Clone(jobs)
	slices.SortStableFunc(jobs, func(a, b Job[K]) int { return cmp.Compare(b.Blob.Size, a.Blob.Size) })
	at := slices.IndexFunc(jobs, func(j Job[K]) bool { return j.Blob.Size < smallSize })
	if at < 0 {
		at = len(jobs)
	}
	return &queue[K]{large: jobs[:at], small: jobs[at:]}
}

func (q *queue[K]) any() (Job[K], bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j, ok := pop(&q.large); ok {
		return j, true
	}
	return pop(&q.small)
}

func (q *queue[K]) onlySmall() (Job[K], bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return pop(&q.small)
}

func pop[K comparable](jobs *[]Job[K]) (j Job[K], ok bool) {
	if len(*jobs) == 0 {
		return j, false
	}
	j, *jobs = (*jobs)[0], (*jobs)[1:]
	return j, true
}
