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

// queues returns the numbers of jobs of these sizes, large ones and small ones, each from the largest on.
func queues(sizes []int64) (large, small chan int) {
	order := make([]int, len(sizes))
	for i := range sizes {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sizes[b], sizes[a]) })
	ends := len(order) // where the small ones begin
	for ends > 0 && sizes[order[ends-1]] < smallSize {
		ends--
	}
	fill := func(part []int) chan int {
		queue := make(chan int, len(part))
		for _, i := range part {
			queue <- i
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
	sizes := make([]int64, len(jobs))
	for i := range jobs {
		sizes[i] = jobs[i].Blob.Size
	}
	Each(ctx, sizes, limit, func(ctx context.Context, i int) error {
		return do(ctx, jobs[i])
	}, func(i int, err error) { finished(jobs[i], err) })
}

// Each is [Run] for jobs that are known by their numbers: they have these sizes. It is for very many.
func Each(
	ctx context.Context, sizes []int64, limit int,
	do func(ctx context.Context, number int) error, finished func(number int, err error),
) {
	extra := 0
	if limit <= 0 {
		limit, extra = DefaultJobs, smallJobs
	}
	large, small := queues(sizes)
	extra = min(extra, len(small))
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	work := func(queues ...<-chan int) {
		for _, q := range queues {
			for i := range q {
				err := context.Cause(ctx)
				if err == nil {
					err = do(ctx, i)
				}
				mu.Lock()
				finished(i, err)
				mu.Unlock()
			}
		}
	}
	for range min(limit, len(sizes)) {
		wg.Go(func() { work(large, small) })
	}
	for range extra {
		wg.Go(func() { work(small) })
	}
	wg.Wait()
}
