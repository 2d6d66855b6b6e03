package cut

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"drayage/internal/durable"
	"drayage/internal/limits"
	"drayage/internal/parity"
	"drayage/internal/terminal"
)

// paritySize is the size of one parity volume of an archive of size bytes: that of its largest volume.
func (p *places) paritySize(size int64) int64 { return min(size, p.volume) }

// placeParity decides in which folders n parity volumes go: behind the data volumes, which have their places.
// undo takes them back.
func (p *places) placeParity(n int, size int64) (at []int, undo func()) {
	k := 0
	if len(p.of) > 0 {
		k = p.of[len(p.of)-1]
	}
	for range n {
		for k < len(p.folders)-1 && p.folders[k].room >= 0 && p.left(k) < size {
			k++
		}
		p.folders[k].n++
		at = append(at, k)
	}
	return at, func() {
		for _, k := range at {
			p.folders[k].n--
		}
	}
}

// tooMuchParity fails if a set file has no room for the hashes of all blocks.
func (w *Writer) tooMuchParity(size int64) error {
	n := w.paritySize(size)
	block := blockFor(size, w.volume)
	if blocks := ((n-1)/block + 1) * int64(w.redundant); blocks > limits.SetParityBlocks {
		return fmt.Errorf("%s of %s have %d blocks, and a set file lists at most %d: take fewer or smaller ones",
			terminal.Count(w.redundant, "parity volume"), terminal.Size(n), blocks, limits.SetParityBlocks)
	}
	return nil
}

// beginParity begins the parity volumes. The size of the archive is known.
func (w *Writer) beginParity() error {
	w.parityOf, _ = w.placeParity(w.redundant, w.paritySize(w.size))
	for i, k := range w.parityOf {
		dir := w.folders[k].dir
		f, err := durable.OpenOutput(filepath.Join(dir, parityName(w.name, i)), partialParity(w.name, i))
		if err != nil {
			return err
		}
		w.parity = append(w.parity, f)
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	return nil
}

// encode computes the parity volumes. It reads the data volumes once more, side by side.
func (w *Writer) encode(ctx context.Context) error {
	if w.redundant == 0 {
		return nil
	}
	var data []io.ReaderAt
	for _, f := range w.files {
		data = append(data, f)
	}
	var out []io.WriterAt
	for _, f := range w.parity {
		out = append(out, f)
	}
	if err := parity.Encode(ctx, w.set, data, out, nil); err != nil {
		return err
	}
	for _, f := range w.parity {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}
