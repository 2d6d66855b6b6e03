package dockerarchive

import (
	"context"
	"errors"
	"fmt"
	"io"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// ErrUnsized is wrapped by StreamOnce where the size of a layer shows only when it has been unpacked.
var ErrUnsized = errors.New("its size shows only when it has been unpacked")

// Stream writes what Write writes to something that cannot be written out of order, such as a pipe. The
// sources are read twice: first to learn the sizes of the layers, which a tar has to tell before their content, and
// to check everything, so that nothing is written of images that are not in order. Of each reading Options.Progress counts half the bytes.
func Stream(ctx context.Context, w io.Writer, images []Image, opts Options) error {
	c, err := prepare(ctx, images, opts)
	if err != nil {
		return err
	}
	first, second := halves(opts.Progress)
	if err := c.measure(ctx, opts.jobs(), first); err != nil {
		return err
	}
	return c.stream(ctx, w, second)
}

// StreamOnce writes what Stream writes and reads each layer once, taking for its size what its blob tells without being unpacked. It
// is for an output that can be thrown away: if a blob does not tell, or not the truth, StreamOnce fails with ErrUnsized, and the images
// are a case for Stream; if one is wrong, that shows when part of it has been written.
func StreamOnce(ctx context.Context, w io.Writer, images []Image, opts Options) error {
	c, err := prepare(ctx, images, opts)
	if err != nil {
		return err
	}
	for _, l := range c.layers {
		if l.late {
			return fmt.Errorf("image %s, layer %s: %w", l.image, l.blob.Digest, ErrUnsized)
		}
	}
	return c.stream(ctx, w, opts.Progress)
}

// halves divides the progress of what is read twice.
func halves(progress func(v1.Descriptor, int64)) (first, second func(v1.Descriptor, int64)) {
	if progress == nil {
		return nil, nil
	}
	return func(d v1.Descriptor, n int64) { progress(d, n/2) },
		func(d v1.Descriptor, n int64) { progress(d, d.Size/2+(n+1)/2) }
}

// measure unpacks every layer to nowhere.
func (c *contents) measure(ctx context.Context, jobs int, progress func(v1.Descriptor, int64)) error {
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(jobs)
	for _, l := range c.layers {
		eg.Go(func() error {
			n, err := unpackLayer(ctx, l, func() io.Writer { return io.Discard }, progress)
			l.late = l.late || l.size != n
			l.size = n
			return err
		})
	}
	return eg.Wait()
}

// stream writes all members in order. The sizes of all layers have to be set.
func (c *contents) stream(ctx context.Context, w io.Writer, progress func(v1.Descriptor, int64)) error {
	members, err := c.members()
	if err != nil {
		return err
	}
	for _, m := range members {
		h, err := m.head()
		if err != nil {
			return err
		}
		if _, err := w.Write(h); err != nil {
			return err
		}
		if m.layer == nil {
			continue
		}
		if err := m.layer.stream(ctx, w, progress); err != nil {
			return err
		}
	}
	_, err = w.Write(make([]byte, 2*blockSize))
	return err
}

func (l *layer) stream(ctx context.Context, w io.Writer, progress func(v1.Descriptor, int64)) error {
	n, err := unpackOnce(ctx, l, &bounded{w: w, left: l.size}, progress)
	if errors.Is(err, errSurprise) || err == nil && n != l.size {
		return fmt.Errorf("image %s, layer %s: %w", l.image, l.blob.Digest, ErrUnsized)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(make([]byte, padded(n)-n))
	return err
}
