package dockerarchive

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"sync/atomic"

	"drayage/internal/marks"
	"drayage/internal/transfer"
)

// errSurprise says that a layer is not as large as its blob makes believe.
var errSurprise = errors.New("layer of unexpected size")

// writeAt writes all entries whose place is known side by side. The late ones go behind them, one after another. It
// returns errSurprise, having looked at all layers, if some are not as large as their blobs say.
func (a *archive) writeAt(ctx context.Context, f File) error {
	early, late := a.split()
	heads, blobs, end, err := layOut(early)
	if err != nil {
		return err
	}
	if err := begin(f, heads, blobs); err != nil {
		return err
	}
	if err := a.room(end, blobs, late); err != nil {
		return err
	}
	if err := f.Truncate(end + int64(len(archiveEnd))); err != nil { // what nobody writes to is zero
		return err
	}
	for _, h := range heads {
		if _, err := f.WriteAt(h.data, h.off); err != nil {
			return err
		}
	}
	var surprised atomic.Bool
	var tasks []task
	for _, b := range blobs {
		tasks = append(tasks, task{b.Size, func(ctx context.Context) error { return a.fill(ctx, b, &surprised) }})
	}
	if len(late) > 0 {
		behind := func(ctx context.Context) error { return a.writeLate(ctx, f, late, end) }
		tasks = append(tasks, task{sizeOf(late), behind})
	}
	if err := a.run(ctx, tasks); err != nil || !surprised.Load() {
		return err
	}
	return errSurprise
}

// head is the head of an entry and where it stands.
type head struct {
	data []byte
	off  int64
}

// layOut gives entries their places. It returns where the last of them ends.
func layOut(entries []*tarEntry) (heads []head, blobs []*blob, end int64, err error) {
	for _, e := range entries {
		h, err := e.head()
		if err != nil {
			return nil, nil, 0, err
		}
		heads = append(heads, head{h, end})
		end += int64(len(h))
		if e.blob != nil {
			e.blob.off = end
			end += padded(e.blob.size)
			blobs = append(blobs, e.blob)
		}
	}
	return heads, blobs, end, nil
}

// sizeOf is about how much room late entries take: a blob that does not tell counts as if it were not compressed.
func sizeOf(late []*tarEntry) (n int64) {
	for _, e := range late {
		n += blockSize + padded(e.header.Size)
		if e.blob != nil {
			n += max(e.blob.size, e.blob.Size)
		}
	}
	return n
}

func (a *archive) room(end int64, blobs []*blob, late []*tarEntry) error {
	if a.opts.Room == nil {
		return nil
	}
	for _, b := range blobs {
		end -= marks.Sum(b.place.Held())
	}
	return a.opts.Room(end + sizeOf(late) + int64(len(archiveEnd)))
}

// fill writes a blob to its place.
func (a *archive) fill(ctx context.Context, b *blob, surprised *atomic.Bool) error {
	reported := a.reported(b, nil)
	if !b.unpacked() {
		_, err := transfer.Fill(ctx, b.source, b.Descriptor, b.place, reported)
		return err
	}
	n, err := b.write(ctx, func() io.Writer { return &bounded{io.NewOffsetWriter(b.place, 0), b.size} }, reported)
	if errors.Is(err, errSurprise) || err == nil && n != b.size {
		b.late = true
		surprised.Store(true)
		return nil
	}
	return err
}

// writeLate writes entries from an offset on. The sizes of their layers show only when these have been unpacked, so
// a header is written after the content.
func (a *archive) writeLate(ctx context.Context, f File, late []*tarEntry, off int64) error {
	for _, e := range late {
		at, body := off, int64(0)
		if b := e.blob; b != nil {
			content := func() io.Writer { return io.NewOffsetWriter(f, at+blockSize) }
			n, err := b.write(ctx, content, a.reported(b, nil))
			if err != nil {
				return err
			}
			b.size, body = n, padded(n)
			if _, err := f.WriteAt(padding(n), at+blockSize+n); err != nil {
				return err
			}
		}
		h, err := e.head()
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(h, at); err != nil {
			return err
		}
		off += int64(len(h)) + body
	}
	if _, err := f.WriteAt(archiveEnd, off); err != nil {
		return err
	}
	return f.Truncate(off + int64(len(archiveEnd))) // a first try may have written more
}

// resumable is implemented by files that remember from run to run which blocks of their parts have been written. A
// durable.Resumable is one.
type resumable interface {
	// Begin says what is going to be written, and removes what an earlier run has left of anything else.
	Begin(plan []byte, sizes []int64) error
	// Part returns the part with a number, which begins at off.
	Part(number int, off int64) *marks.Part
}

// begin makes the places of blobs parts of f. It empties f, or finds out what an earlier run has left of the same
// archive: everything that decides the places is in heads.
func begin(f File, heads []head, blobs []*blob) error {
	r, ok := f.(resumable)
	if !ok {
		for _, b := range blobs {
			b.place = marks.NewPart(f, b.off, b.size, nil)
		}
		return f.Truncate(0)
	}
	plan := sha256.New()
	for _, h := range heads {
		binary.Write(plan, binary.LittleEndian, h.off)
		plan.Write(h.data)
	}
	var sizes []int64
	for _, b := range blobs {
		sizes = append(sizes, b.size)
	}
	if err := r.Begin(plan.Sum(nil), sizes); err != nil {
		return err
	}
	for i, b := range blobs {
		b.place = r.Part(i, b.off)
	}
	return nil
}
