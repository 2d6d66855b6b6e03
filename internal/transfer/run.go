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

// queues returns the jobs, large ones and small ones, each from the largest on.
func queues[K comparable](jobs []Job[K]) (large, small chan *Job[K]) {
	order := make([]*Job[K], len(jobs))
	for i := range jobs {
		order[i] = &jobs[i]
	}
	slices.SortStableFunc(order, func(a, b *Job[K]) int { return cmp.Compare(b.Blob.Size, a.Blob.Size) })
	ends := len(order) // where the small ones begin
	for ends > 0 && order[ends-1].Blob.Size < smallSize {
		ends--
	}
	fill := func(part []*Job[K]) chan *Job[K] {
		queue := make(chan *Job[K], len(part))
		for _, j := range part {
			queue <- j
		}
		close(queue)
		return queue
	}
	return fill(order[:ends]), fill(order[ends:])
}

// Run does all jobs, at most limit at once. If limit is not positive it is DefaultJobs and some small ones.
// It begins with the largest, so that the last one to finish is small. A job that fails does not stop the
// others. Run calls finished with the outcome of each job, by one goroutine at a time. When ctx has ended,
// jobs that have not begun finish with its cause. Run returns when every job has finished. Until then jobs
// must not change.
func Run[K comparable](
	ctx context.Context, jobs []Job[K], limit int,
	do func(context.Context, Job[K]) error, finished func(Job[K], error),
) {
	extra := 0
	if limit <= 0 {
		limit, extra = DefaultJobs, smallJobs
	}
	large, small := queues(jobs)
	extra = min(extra, len(small))
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	work := func(queues ...<-chan *Job[K]) {
		for _, q := range queues {
			for j := range q {
				err := context.Cause(ctx)
				if err == nil {
					err = do(ctx, *j)
				}
				mu.Lock()
				finished(*j, err)
				mu.Unlock()
			}
		}
	}
	for range min(limit, len(jobs)) {
		wg.Go(func() { work(large, small) })
	}
	for range extra {
		wg.Go(func() { work(small) })
	}
	wg.Wait()
}
