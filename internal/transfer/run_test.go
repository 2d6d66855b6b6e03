package transfer_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/transfer"
)

func jobs(sizes ...int64) (all []transfer.Job[int]) {
	for _, n := range sizes {
		all = append(all, transfer.Job[int]{Blob: v1.Descriptor{Size: n}})
	}
	return all
}

func TestRunTakesTheLargestFirst(t *testing.T) {
	given := jobs(1, 5, 3, 9, 5)
	var order []int64
	transfer.Run(t.Context(), given, 1, func(_ context.Context, j transfer.Job[int]) error {
		order = append(order, j.Blob.Size)
		return nil
	}, func(transfer.Job[int], error) {})
	if diff := cmp.Diff([]int64{9, 5, 5, 3, 1}, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if given[0].Blob.Size != 1 {
		t.Error("the caller's list was sorted")
	}
}

func TestRunIsBounded(t *testing.T) {
	const large = 100 << 20
	for _, c := range []struct {
		jobs, limit int
		size        int64
		want        int
	}{
		{20, 3, 0, 3}, {2, 8, 0, 2}, {0, 4, 0, 0}, {1, 1, 0, 1}, {20, 3, large, 3},
		{40, 0, large, transfer.DefaultJobs}, {40, -1, large, transfer.DefaultJobs}, {40, 0, 1000, 24}, {12, 0,
			1000, 12},
	} {
		synctest.Test(t, func(t *testing.T) {
			var running, most, done atomic.Int64
			transfer.Run(t.Context(), jobs(slices.Repeat([]int64{c.size}, c.jobs)...), c.limit,
				func(context.Context, transfer.Job[int]) error {
					n := running.Add(1)
					for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
					}
					time.Sleep(time.Second) // all others that may start do
					running.Add(-1)
					return nil
				}, func(transfer.Job[int], error) { done.Add(1) })
			if int(most.Load()) != c.want || int(done.Load()) != c.jobs {
				t.Errorf("%d jobs of %d bytes, limit %d: %d at once, %d finished; want %d at once", c.jobs, c.size,
					c.limit, most.Load(), done.Load(), c.want)
			}
		})
	}
}

func TestRunGoesOnAfterAFailure(t *testing.T) {
	bad := errors.New("bad")
	failed, fine := 0, 0 // finished is called by one goroutine at a time: -race would tell
	transfer.Run(t.Context(), jobs(1, 2, 3, 4, 5, 6), 3, func(_ context.Context, j transfer.Job[int]) error {
		if j.Blob.Size%2 == 0 {
			return bad
		}
		return nil
	}, func(j transfer.Job[int], err error) {
		switch {
		case err == nil:
			fine++
		case err == bad && j.Blob.Size%2 == 0:
			failed++
		}
	})
	if failed != 3 || fine != 3 {
		t.Errorf("%d failed, %d fine; want 3 and 3", failed, fine)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	reason := errors.New("the user has gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	var begun, finished []int64
	transfer.Run(ctx, jobs(4, 3, 2, 1), 1, func(ctx context.Context, j transfer.Job[int]) error {
		if begun = append(begun, j.Blob.Size); j.Blob.Size == 3 {
			cancel(reason)
			return context.Cause(ctx)
		}
		return nil
	}, func(j transfer.Job[int], err error) {
		if err == reason {
			finished = append(finished, j.Blob.Size)
		}
	})
	if !slices.Equal(begun, []int64{4, 3}) || !slices.Equal(finished, []int64{3, 2, 1}) {
		t.Errorf("begun %v; finished with the cause %v", begun, finished)
	}
}

// Archives have very many blobs. While they are written, little is held of each.
func TestEachHoldsLittle(t *testing.T) {
	const many, most = 100_000, 24
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	sizes := make([]int64, many)
	before, held, done := live(), int64(0), 0
	transfer.Each(t.Context(), sizes, 1, func(_ context.Context, i int) error {
		if i == 0 {
			held = live() - before
		}
		return nil
	}, func(int, error) { done++ })
	if held/many > most || done != many {
		t.Errorf("%d bytes are held of each of %d jobs, at most %d are meant to be", held/many, done, most)
	}
}
