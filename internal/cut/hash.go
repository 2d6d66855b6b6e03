package cut

import (
	"context"
	"crypto/sha256"
	"io"
	"math"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"drayage/internal/limits"
)

const (
	// chunkSize is how much is read at once, in bytes. It divides every block.
	chunkSize = limits.SetBlockLeast
	// chunks is how many are in memory at once.
	chunks = 8
)

// chunk is a run of bytes that every hash needs.
type chunk struct {
	buf  [chunkSize]byte
	n    int
	left atomic.Int32 // hashes that have not had it yet
}

// hashes reads size bytes once and hashes them by several units at the same time: of each unit it returns the
// SHA-256 of every run of so many bytes, one behind the other. A unit is a multiple of chunkSize, or whole.
// There is a processor's work in each unit, and no way to divide the longest: so each has a goroutine.
func hashes(ctx context.Context, r io.ReaderAt, size int64, units ...int64) ([][]byte, error) {
	eg, ctx := errgroup.WithContext(ctx)
	free := make(chan *chunk, chunks)
	for range chunks {
		free <- new(chunk)
	}
	sums, queues := make([][]byte, len(units)), make([]chan *chunk, len(units))
	for i, unit := range units {
		queues[i] = make(chan *chunk, chunks)
		eg.Go(func() error {
			sums[i] = hashRuns(queues[i], free, unit)
			return nil
		})
	}
	eg.Go(func() error {
		defer func() {
			for _, q := range queues {
				close(q)
			}
		}()
		return readChunks(ctx, r, size, free, queues)
	})
	return sums, eg.Wait()
}

// whole is the unit of everything.
const whole = math.MaxInt64

func readChunks(
	ctx context.Context, r io.ReaderAt, size int64, free chan *chunk, queues []chan *chunk,
) error {
	for off := int64(0); off < size; off += chunkSize {
		var c *chunk
		select {
		case c = <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		c.n = int(min(size-off, chunkSize))
		if n, err := r.ReadAt(c.buf[:c.n], off); n < c.n {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		c.left.Store(int32(len(queues)))
		for _, q := range queues {
			q <- c // has room for all chunks that there are
		}
	}
	return nil
}

func hashRuns(in <-chan *chunk, free chan<- *chunk, unit int64) (sums []byte) {
	h, n := sha256.New(), int64(0)
	for c := range in {
		h.Write(c.buf[:c.n])
		n += int64(c.n)
		if c.left.Add(-1) == 0 {
			free <- c
		}
		if n == unit {
			sums, n = h.Sum(sums), 0
			h.Reset()
		}
	}
	if n > 0 || len(sums) == 0 {
		sums = h.Sum(sums)
	}
	return sums
}
