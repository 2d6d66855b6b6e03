// Package parity computes volumes from others, by Reed-Solomon codes.
//
// Byte i of all volumes is one stripe. The data volumes have the points 0 to N-1, and the parity volumes the
// points N to N+K-1. A stripe's bytes are the values, at these points, of one polynomial of a degree below N
// over the field of 256 elements. So any N of them give all others. Volumes that are shorter than the longest
// go on with zeros. This never changes: every later version has to understand the parity volumes of today.
package parity

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/reedsolomon"
	"golang.org/x/sync/errgroup"
)

// MaxVolumes is how many volumes there may be, those of parity among them.
const MaxVolumes = 255

// memory is what the buffers of one computation take together, in bytes.
const memory = 16 << 20

// Slices of all volumes that are read, computed or written at the same time.
const (
	slabs    = 3
	maxSlice = 256 << 10
	minSlice = 4 << 10
)

// Input is a volume that is read.
type Input struct {
	Point int
	From  io.ReaderAt
	Size  int64 // behind it there are zeros
}

// Output is a volume that is computed. Take gets its bytes from the beginning to the end, in order; it must
// not keep the slice.
type Output struct {
	Point int
	Take  func(p []byte, off int64) error
}

// Range is which bytes of all volumes are computed.
type Range struct {
	Off, Size int64
}

// Compute computes the bytes r of all of out. The inputs have to be as many as there are data volumes; which
// ones does not matter. Progress, if not nil, is called with the number of bytes of each input that are done.
func Compute(ctx context.Context, in []Input, out []Output, r Range, progress func(int64)) error {
	if err := check(in, out); err != nil {
		return err
	}
	if len(out) == 0 || r.Size == 0 {
		return nil
	}
	var from, to []int
	for _, i := range in {
		from = append(from, i.Point)
	}
	for _, o := range out {
		to = append(to, o.Point)
	}
	code, err := reedsolomon.New(len(in), len(out), reedsolomon.WithCustomMatrix(lagrange(from, to)),
		reedsolomon.WithInversionCache(false))
	if err != nil {
		return fmt.Errorf("parity: %w", err)
	}
	return (&computation{in: in, out: out, code: code, r: r, progress: progress}).run(ctx)
}

func check(in []Input, out []Output) error {
	met := map[int]bool{}
	for _, i := range in {
		met[i.Point] = true
	}
	for _, o := range out {
		met[o.Point] = true
	}
	if len(in) == 0 || len(met) != len(in)+len(out) || len(met) > MaxVolumes {
		return errors.New("parity: volumes without points of their own")
	}
	for p := range met {
		if p < 0 || p >= MaxVolumes {
			return fmt.Errorf("parity: point %d", p)
		}
	}
	return nil
}

type computation struct {
	in       []Input
	out      []Output
	code     reedsolomon.Encoder
	r        Range
	progress func(int64)
}

// slab has a slice of each volume, the inputs first.
type slab struct {
	off    int64
	slices [][]byte
}

// slice is how many bytes of each volume are in a slab.
func (c *computation) slice() int64 {
	n := int64(maxSlice)
	for n > minSlice && n*slabs*int64(len(c.in)+len(c.out)) > memory {
		n /= 2
	}
	return min(n, c.r.Size)
}

// run lets slabs go round: one is read while another is computed and a third is written.
func (c *computation) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	free, read, computed := make(chan *slab, slabs), make(chan *slab), make(chan *slab)
	size := c.slice()
	for range slabs {
		free <- newSlab(len(c.in)+len(c.out), size)
	}
	g.Go(func() error {
		defer close(read)
		return c.read(ctx, size, free, read)
	})
	g.Go(func() error {
		defer close(computed)
		for s := range read {
			if err := c.code.Encode(s.slices); err != nil {
				return fmt.Errorf("parity: %w", err)
			}
			select {
			case computed <- s:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error { return c.write(ctx, computed, free) })
	return g.Wait()
}

func newSlab(volumes int, size int64) *slab {
	s := &slab{slices: make([][]byte, volumes)}
	for i := range s.slices {
		s.slices[i] = make([]byte, size)
	}
	return s
}

// read fills slabs.
func (c *computation) read(ctx context.Context, size int64, free <-chan *slab, read chan<- *slab) error {
	for off := int64(0); off < c.r.Size; off += size {
		var s *slab
		select {
		case s = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.off = c.r.Off + off
		for i := range s.slices {
			s.slices[i] = s.slices[i][:min(size, c.r.Size-off)]
		}
		if err := c.fill(s); err != nil {
			return err
		}
		select {
		case read <- s:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// readers is how many volumes are read at the same time. They may be on one disk.
const readers = 4

func (c *computation) fill(s *slab) error {
	var g errgroup.Group
	g.SetLimit(readers)
	for i, in := range c.in {
		g.Go(func() error {
			p := s.slices[i]
			n := max(0, min(int64(len(p)), in.Size-s.off))
			clear(p[n:])
			if m, err := in.From.ReadAt(p[:n], s.off); int64(m) < n {
				if err == nil || errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return err
			}
			return nil
		})
	}
	return g.Wait()
}

// write hands on what has been computed, in order.
func (c *computation) write(ctx context.Context, computed <-chan *slab, free chan<- *slab) error {
	for s := range computed {
		var g errgroup.Group
		for j, p := range s.slices[len(c.in):] {
			g.Go(func() error { return c.out[j].Take(p, s.off) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
		if c.progress != nil {
			c.progress(int64(len(s.slices[0])))
		}
		free <- s
	}
	return ctx.Err()
}
