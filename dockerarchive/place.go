package dockerarchive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"drayage/internal/marks"
	"drayage/internal/transfer"
	"drayage/internal/verify"
)

var errOtherSize = errors.New("layer of unexpected size") // its blob tells another one

// writeAt writes all entries whose place is known side by side. The late ones go behind them, one after
// another. It returns errOtherSize, having looked at all layers, if some are not as large as their blobs say.
func (a *archive) writeAt(ctx context.Context, f File) error {
	p, err := a.plan()
	if err != nil {
		return err
	}
	if err := p.begin(f); err != nil {
		return err
	}
	if a.opts.Room != nil {
		if err := a.opts.Room(p.room()); err != nil {
			return err
		}
	}
	if err := p.writeHeads(f); err != nil {
		return err
	}
	var otherSize atomic.Bool
	partly, _ := f.(wanting)
	blobs, sizes := make([]int, 0, len(p.blobs)), make([]int64, 0, len(p.blobs)+1)
	for i, b := range p.blobs {
		if partly == nil || partly.Wants(b.off, b.size) {
			blobs, sizes = append(blobs, i), append(sizes, b.Size)
		}
	}
	if len(p.late) > 0 {
		sizes = append(sizes, p.lateSize())
	}
	err = a.run(ctx, sizes, func(ctx context.Context, number int) error {
		if number == len(blobs) {
			return a.writeLate(ctx, f, p)
		}
		i := blobs[number]
		return a.fill(ctx, p.blobs[i], p.place(i), &otherSize)
	})
	if err != nil || !otherSize.Load() {
		return err
	}
	return errOtherSize
}

type plan struct {
	early []*tarEntry // those whose place is known
	blobs []*blob     // of the same entries
	end   int64       // of the same entries
	late  []*tarEntry // those that go behind

	place func(blob int) *marks.Part // of blobs, where it is in the file
}

const maxArchive = 1 << 62 // bytes of a tar; more cannot be an offset in a file

// plan gives all entries but the late ones their places.
func (a *archive) plan() (*plan, error) {
	early, late := a.split()
	p := &plan{early: early, late: late}
	var head bytes.Buffer
	for _, e := range early {
		if err := e.head(&head); err != nil {
			return nil, err
		}
		p.end += int64(head.Len())
		if b := e.blob; b != nil {
			b.off = p.end
			p.end = verify.AddSize(p.end, padded(b.size))
			p.blobs = append(p.blobs, b)
		}
		if p.end > maxArchive {
			return nil, fmt.Errorf("the archive would have more than %d bytes", int64(maxArchive))
		}
	}
	return p, nil
}

// lateSize estimates the room of the late entries: a layer of unknown size counts as if not compressed.
func (p *plan) lateSize() (n int64) {
	var head bytes.Buffer
	for _, e := range p.late {
		_ = e.head(&head) // an error comes again
		n = verify.AddSize(n, int64(head.Len()))
		if e.blob != nil {
			n = verify.AddSize(n, max(e.blob.size, e.blob.Size))
		}
	}
	return n
}

// room is about how many bytes of the archive are still to be written.
func (p *plan) room() int64 {
	n := verify.AddSize(p.lateSize(), p.end+int64(len(archiveEnd)))
	for i := range p.blobs {
		n -= marks.Sum(p.place(i).Held())
	}
	return n
}

// heads gives the heads of the entries whose place is known to f, in their order, with their places. They are
// not kept: an archive may have very many.
func (p *plan) heads(f func(head []byte, off int64) error) error {
	var head bytes.Buffer
	off := int64(0)
	for _, e := range p.early {
		if err := e.head(&head); err != nil {
			return err
		}
		if err := f(head.Bytes(), off); err != nil {
			return err
		}
		if off += int64(head.Len()); e.blob != nil {
			off += padded(e.blob.size)
		}
	}
	return nil
}

// writeHeads writes all that is in memory. What nobody writes to is zero.
func (p *plan) writeHeads(f File) error {
	if err := f.Truncate(p.end + int64(len(archiveEnd))); err != nil {
		return fmt.Errorf("%w: %w", ErrInOrder, err)
	}
	var run []byte // heads without a gap, which one call writes
	at := int64(0)
	err := p.heads(func(h []byte, off int64) (err error) {
		if off != at+int64(len(run)) || len(run)+len(h) > chunkSize {
			_, err = f.WriteAt(run, at)
			run, at = run[:0], off
		}
		switch {
		case err != nil:
		case len(h) <= chunkSize:
			run = append(run, h...)
		default:
			_, err = f.WriteAt(h, off)
			at += int64(len(h))
		}
		return err
	})
	if err == nil {
		_, err = f.WriteAt(run, at)
	}
	return err
}

// fill writes a blob to its place. It notes in otherSize if that has not the right size.
func (a *archive) fill(ctx context.Context, b *blob, place *marks.Part, otherSize *atomic.Bool) error {
	reported := a.reported(b)
	if !b.unpacked() {
		_, err := transfer.Fill(ctx, b.source, *b.Descriptor, place, reported)
		return err
	}
	there := func() io.Writer { return &bounded{io.NewOffsetWriter(place, 0), b.size} }
	n, err := b.write(ctx, there, reported)
	if errors.Is(err, errOtherSize) || err == nil && n != b.size {
		b.late = true
		otherSize.Store(true)
		return nil
	}
	return err
}

// writeLate writes the late entries, each header after the content: only unpacking a layer tells its size.
func (a *archive) writeLate(ctx context.Context, f File, p *plan) error {
	var head bytes.Buffer
	off := p.end
	for _, e := range p.late {
		at := off
		if err := e.head(&head); err != nil {
			return err
		}
		off += int64(head.Len())
		if b := e.blob; b != nil {
			content := func() io.Writer { return io.NewOffsetWriter(f, off) }
			n, err := b.write(ctx, content, a.reported(b))
			if err != nil {
				return err
			}
			if _, err := f.WriteAt(padding(n), off+n); err != nil {
				return err
			}
			b.size, off = n, off+padded(n)
			if err := e.head(&head); err != nil {
				return err
			}
		}
		if _, err := f.WriteAt(head.Bytes(), at); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(archiveEnd, off); err != nil {
		return err
	}
	return f.Truncate(off + int64(len(archiveEnd))) // a first try may have written more
}

// wanting is a [File] that keeps only a part of what is written to it. A blob that lies outside of it is not
// read.
type wanting interface {
	Wants(off, size int64) bool
}

// resumable is a [File] that remembers from run to run what has been written. A durable.Resumable is one.
type resumable interface {
	// Begin says what is going to be written, and removes what an earlier run has left of anything else.
	Begin(plan []byte, sizes []int64) error
	// Part returns the part with a number, which begins at off.
	Part(number int, off int64) *marks.Part
}

// begin makes the places of the blobs parts of f. It empties f, or finds out what an earlier run has left of
// the same archive: everything that decides the places is in the heads.
func (p *plan) begin(f File) error {
	r, ok := f.(resumable)
	if !ok {
		p.place = func(i int) *marks.Part { return marks.NewPart(f, p.blobs[i].off, p.blobs[i].size, nil) }
		return f.Truncate(0)
	}
	plan, sizes, err := p.stamp()
	if err != nil {
		return err
	}
	if err := r.Begin(plan, sizes); err != nil {
		return err
	}
	p.place = func(i int) *marks.Part { return r.Part(i, p.blobs[i].off) }
	return nil
}

// stamp stands for everything that decides where the parts of the archive are, and has their sizes.
func (p *plan) stamp() (plan []byte, sizes []int64, err error) {
	hash := sha256.New()
	err = p.heads(func(h []byte, off int64) error {
		hash.Write(h)
		return binary.Write(hash, binary.LittleEndian, off)
	})
	for _, b := range p.blobs {
		sizes = append(sizes, b.size)
	}
	return hash.Sum(nil), sizes, err
}
