package dockerarchive

import (
	"context"
	"errors"
	"io"
	"runtime"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// Options say how an archive is written. The zero value is good.
type Options struct {
	Jobs int // layers that are unpacked at once; 0 means one more than there are processors, and at least three

	// Planned is called once, before any layer is read, with all of them.
	Planned func(layers []v1.Descriptor)
	// Room is asked before anything is written to a file whether there is room for so many more bytes, which are about what it will take. Its error
	// ends the work.
	Room func(bytes int64) error
	// Progress is told how many bytes of a layer's blob have been read. It is called concurrently and must return at once.
	Progress func(layer v1.Descriptor, read int64)
}

func (o Options) jobs() int {
	if o.Jobs > 0 {
		return o.Jobs
	}
	return max(3, runtime.GOMAXPROCS(0)+1)
}

func (o Options) room(bytes int64) error {
	if o.Room == nil {
		return nil
	}
	return o.Room(bytes)
}

func (o Options) planned(c *contents) {
	if o.Planned == nil {
		return
	}
	var all []v1.Descriptor
	for _, l := range c.layers {
		all = append(all, l.blob)
	}
	o.Planned(all)
}

// File is what an archive is written into: *os.File is one.
type File interface {
	io.WriterAt
	Truncate(size int64) error
}

// errSurprise says that a layer is not as large as its blob makes believe.
var errSurprise = errors.New("layer of unexpected size")

// Write writes the images to f in the format of docker save up to version 24. Layers are unpacked side
// by side, each straight to its place, and every digest and diff ID is checked. The same images give the same
// bytes, whatever the source and the number of jobs. What f holds is worth
// something only if Write returns nil; making it durable and naming it is the caller's.
func Write(ctx context.Context, f File, images []Image, opts Options) error {
	c, err := prepare(ctx, images, opts)
	if err != nil {
		return err
	}
	if err := opts.room(c.size()); err != nil {
		return err
	}
	err = c.writeAt(ctx, f, opts)
	if errors.Is(err, errSurprise) {
		// A layer of another size than its blob says changes the place of all that follow. All such
		// layers are known by now; they go behind the others, where sizes need not be known.
		err = c.writeAt(ctx, f, opts)
	}
	return err
}

func prepare(ctx context.Context, images []Image, opts Options) (*contents, error) {
	c, err := load(ctx, images)
	if err != nil {
		return nil, err
	}
	opts.planned(c)
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(16) // a few bytes each: a matter of round trips
	for _, l := range c.layers {
		eg.Go(func() error { return guess(ctx, l) })
	}
	return c, eg.Wait()
}

// size is about how large the archive will be: of a layer that does not tell, it is as large as its blob.
func (c *contents) size() (n int64) {
	for _, l := range c.layers {
		n += max(l.size, l.blob.Size) + 4*blockSize
	}
	return n
}
