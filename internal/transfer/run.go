package transfer

import (
	"cmp"
	"context"
	"slices"
	"sync"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Job is one blob to move.
type Job struct {
	Blob   v1.Descriptor
	Source Source
}

// DefaultJobs is how many blobs move at once unless the user says otherwise.
const DefaultJobs = 8

// Run does all jobs, the largest first so that the last to finish is a small one, at most limit at
// once (DefaultJobs if limit is not positive). A job that fails does not stop the others; each
// one's outcome is given to finished, which is called by one goroutine at a time. After ctx has ended, what
// has not begun finishes with its error. Run returns when every job has finished.
func Run(ctx context.Context, jobs []Job, limit int, do func(context.Context, Job) error, finished func(Job, error)) {
	if limit <= 0 {
		limit = DefaultJobs
	}
	jobs = slices.Clone(jobs)
	slices.SortStableFunc(jobs, func(a, b Job) int { return cmp.Compare(b.Blob.Size, a.Blob.Size) })
	var (
		queue = make(chan Job)
		mu    sync.Mutex
		wg    sync.WaitGroup
	)
	for range min(limit, len(jobs)) {
		wg.Go(func() {
			for j := range queue {
				err := context.Cause(ctx)
				if err == nil {
					err = do(ctx, j)
				}
				mu.Lock()
				finished(j, err)
				mu.Unlock()
			}
		})
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	wg.Wait()
}
