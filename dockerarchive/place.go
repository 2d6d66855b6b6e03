package dockerarchive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

const (
	blockSize = 512       // tar's unit: headers are blocks, and content is filled up to whole ones
	maxUSTAR  = 1<<33 - 1 // the largest size or time that a plain header holds
)

// head is what stands before a layer's content: the header; or all of an entry that is no layer.
func (m *member) head() ([]byte, error) {
	h := m.header
	if m.layer != nil {
		h.Size = m.layer.size
	}
	if h.Size > maxUSTAR || h.ModTime.Unix() > maxUSTAR {
		h.Format = tar.FormatGNU // holds any number in a single block, so the place of what follows does not depend on it
	}
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&h); err != nil {
		return nil, fmt.Errorf("%s: %v", h.Name, err)
	}
	b.Write(m.data)
	b.Write(make([]byte, padded(int64(len(m.data)))-int64(len(m.data))))
	return b.Bytes(), nil
}

// body is how much room the layer's content takes behind the head.
func (m *member) body() int64 {
	if m.layer == nil {
		return 0
	}
	return padded(m.layer.size)
}

func padded(n int64) int64 { return (n + blockSize - 1) / blockSize * blockSize }

// writeAt writes all members whose place is known side by side, and the late layers, one
// after another, behind them. It returns errSurprise, having looked at all layers, if some were not as large as guessed.
func (c *contents) writeAt(ctx context.Context, f File, opts Options) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	members, err := c.members()
	if err != nil {
		return err
	}
	var surprised atomic.Bool
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(opts.jobs())
	err = func() error {
		off := int64(0)
		for i, m := range members {
			if m.layer != nil && m.layer.late {
				eg.Go(func() error { return writeLate(egctx, f, members[i:], off, opts) })
				return nil
			}
			h, err := m.head()
			if err != nil {
				return err
			}
			if _, err := f.WriteAt(h, off); err != nil {
				return err
			}
			off += int64(len(h))
			if at := off; m.layer != nil {
				eg.Go(func() error { return m.layer.writeAt(egctx, f, at, opts, &surprised) })
			}
			off += m.body()
		}
		return writeZeros(f, off, 2*blockSize)
	}()
	if werr := eg.Wait(); werr != nil {
		return werr
	}
	if err == nil && surprised.Load() {
		return errSurprise
	}
	return err
}

// writeAt unpacks a layer of a guessed size to its place.
func (l *layer) writeAt(ctx context.Context, f File, off int64, opts Options, surprised *atomic.Bool) error {
	n, err := unpackLayer(ctx, l, func() io.Writer { return &bounded{w: io.NewOffsetWriter(f, off), left: l.size} }, opts.Progress)
	if errors.Is(err, errSurprise) || err == nil && n != l.size {
		l.late = true
		surprised.Store(true)
		return nil
	}
	if err != nil {
		return err
	}
	return writeZeros(f, off+n, padded(n)-n)
}

// writeLate writes members from a place on where the sizes of layers show only when they have been
// unpacked: the header is written after the content.
func writeLate(ctx context.Context, f File, members []*member, off int64, opts Options) error {
	for _, m := range members {
		if m.layer != nil {
			n, err := unpackLayer(ctx, m.layer, func() io.Writer { return io.NewOffsetWriter(f, off+blockSize) }, opts.Progress)
			if err != nil {
				return err
			}
			m.layer.size = n
			if err := writeZeros(f, off+blockSize+n, padded(n)-n); err != nil {
				return err
			}
		}
		h, err := m.head()
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(h, off); err != nil {
			return err
		}
		off += int64(len(h)) + m.body()
	}
	return writeZeros(f, off, 2*blockSize)
}

func writeZeros(f io.WriterAt, off, n int64) error {
	_, err := f.WriteAt(make([]byte, n), off)
	return err
}

// bounded refuses to write past the place that was planned.
type bounded struct {
	w    io.Writer
	left int64
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, errSurprise
	}
	b.left -= int64(len(p))
	return b.w.Write(p)
}
