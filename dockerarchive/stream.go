package dockerarchive

import (
	"context"
	"errors"
	"io"
)

// measure unpacks layers to nowhere, to learn their sizes.
func (a *archive) measure(ctx context.Context) error {
	var tasks []task
	for _, b := range a.blobs {
		if !b.unpacked() {
			continue
		}
		tasks = append(tasks, task{b.Size, func(ctx context.Context) error {
			n, err := b.write(ctx, func() io.Writer { return io.Discard }, a.reported(b))
			b.late = b.late || b.size != n
			b.size, b.measured = n, true
			return err
		}})
	}
	return a.run(ctx, tasks)
}

// stream writes all entries in their order.
func (a *archive) stream(ctx context.Context, w io.Writer) error {
	for _, b := range a.blobs {
		if b.late && !b.measured {
			return b.named(ErrUnsized)
		}
	}
	early, late := a.split()
	for _, e := range append(early, late...) {
		h, err := e.head()
		if err != nil {
			return err
		}
		if _, err := w.Write(h); err != nil {
			return err
		}
		if e.blob == nil {
			continue
		}
		if err := a.streamBlob(ctx, w, e.blob); err != nil {
			return err
		}
	}
	_, err := w.Write(archiveEnd)
	return err
}

func (a *archive) streamBlob(ctx context.Context, w io.Writer, b *blob) error {
	n, err := b.writeOnce(ctx, &bounded{w, b.size}, a.reported(b))
	if errors.Is(err, errOtherSize) || err == nil && n != b.size {
		return b.named(ErrUnsized)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(padding(n))
	return err
}

// bounded fails with errOtherSize instead of writing more than is left.
type bounded struct {
	w    io.Writer
	left int64
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, errOtherSize
	}
	b.left -= int64(len(p))
	return b.w.Write(p)
}
