package tarpatch

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/bits"

	"github.com/klauspost/compress/zstd"

	"drayage/internal/limits"
	"drayage/internal/spool"
	"drayage/internal/transfer"
)

// writer takes what the target consists of, in order, and keeps it in three spools, and new bytes in one
// more.
type writer struct {
	bases     []Base
	spools    [streams + 1]*spool.File
	out       [streams + 1]*bufio.Writer
	numbers   []int   // by base: its number in the patch, from 1; 0 if nothing came from it yet
	used      []int   // the bases that have numbers
	ends      []int64 // by base: where the last operation on it ended
	last      op
	moves     *moves  // codes operations
	deltas    *deltas // codes what differs
	novel     *novel  // codes what is new; nil: that is too much, or becomes no smaller
	dataLimit int64   // bytes that may be new for that
	// The end of the last operation, as far as it has not been coded: bytes of the base and of the target, their
	// place in the base, and from there to their place in the target.
	old, new  []byte
	at, shift int64
	fresh     []byte // new bytes behind it, as far as they have not been coded
	stats     Stats
	err       error // the first
}

// op is an operation that may still grow.
type op struct {
	base  int
	at, n int64
	exact bool
	extra int64
	known bool // the model of new bytes has looked at the base
}

func newWriter(size int64, bases []Base, temp string) (*writer, error) {
	w := &writer{bases: bases, numbers: make([]int, len(bases)), ends: make([]int64, len(bases))}
	for i := range w.spools {
		f, err := spool.Create(temp)
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
		w.spools[i], w.out[i] = f, bufio.NewWriterSize(f, 128<<10)
	}
	w.moves, w.deltas = newMoves(newCoder(w.out[opsStream])), newDeltas(newCoder(w.out[diffStream]))
	w.novel, w.dataLimit = newNovel(newCoder(w.out[dataStream]), size), dataLimit(size)
	return w, nil
}

// Close gives up what has been written.
func (w *writer) Close() error {
	var all error
	for _, f := range w.spools {
		if f != nil {
			all = errors.Join(all, f.Close())
		}
	}
	return all
}

// copy takes n bytes of a base as they are.
func (w *writer) copy(base int, at, n int64) {
	w.stats.Copied += n
	w.place(base, at, n, true)
}

// add takes bytes that are like as many old ones at a place in a base. What would take a reader too long
// becomes bytes that come from no base.
func (w *writer) add(base int, at int64, old, new []byte) {
	for len(new) > 0 {
		n := min(len(new), chunk-len(w.new))
		if w.costly() {
			w.literal(new[:n])
		} else {
			w.stats.Changed += int64(n)
			w.place(base, at, int64(n), false)
			w.old, w.new = append(w.old, old[:n]...), append(w.new, new[:n]...)
			if len(w.new) == chunk {
				w.differ()
			}
		}
		old, new, at = old[n:], new[n:], at+int64(n)
	}
}

// costly reports whether what has been written takes long to read. What is still to be coded, at most two
// chunks, has room in what a reader allows beyond.
func (w *writer) costly() bool {
	s := &w.stats
	return cost(s.Operations, w.moves.coder, w.deltas.coder)-freely/2 > bitsPerByte*(s.Copied+s.Changed+s.New)
}

// differ codes the end of an operation.
func (w *writer) differ() {
	if len(w.new) > 0 {
		w.deltas.code(w.old, w.new, w.at, w.shift)
	}
	w.at += int64(len(w.new))
	w.old, w.new = w.old[:0], w.new[:0]
}

// literal takes bytes that come from no base.
func (w *writer) literal(p []byte) {
	w.stats.New += int64(len(p))
	w.last.extra += int64(len(p))
	if w.err == nil {
		_, w.err = w.out[rawStream].Write(p)
	}
	for len(p) > 0 && w.novel != nil {
		n := min(len(p), chunk-len(w.fresh))
		if w.fresh = append(w.fresh, p[:n]...); len(w.fresh) == chunk {
			w.model()
		}
		p = p[n:]
	}
}

// model codes new bytes, if that pays.
func (w *writer) model() {
	l := &w.last
	if w.novel == nil || len(w.fresh) == 0 {
		return
	}
	if w.stats.New > w.dataLimit || w.stats.New > 2*chunk && w.novel.wrote > w.stats.New/3*2 {
		w.novel, w.fresh = nil, nil
		return
	}
	if l.n > 0 && !l.known {
		w.err = errors.Join(w.err, w.novel.beside(w.bases[l.base], l.at+l.n))
		l.known = true
	}
	w.novel.code(w.fresh)
	w.fresh = w.fresh[:0]
}

// place begins an operation, or makes the last one longer.
func (w *writer) place(base int, at, n int64, exact bool) {
	l := &w.last
	if n == 0 {
		return
	}
	if l.n > 0 && l.extra == 0 && l.base == base && l.exact == exact && l.at+l.n == at {
		l.n += n
		return
	}
	w.flush()
	w.last = op{base: base, at: at, n: n, exact: exact}
	w.at, w.shift = at, w.stats.Copied+w.stats.Changed+w.stats.New-n-at
}

// flush writes the last operation.
func (w *writer) flush() {
	w.model()
	l := w.last
	w.last = op{}
	if l.n+l.extra == 0 {
		return
	}
	w.differ()
	w.stats.Operations++
	if l.n == 0 {
		w.moves.code(baseField, 0)
		w.moves.code(dataField, uint64(l.extra))
		return
	}
	if w.numbers[l.base] == 0 {
		w.used = append(w.used, l.base)
		w.numbers[l.base] = len(w.used)
	}
	n := uint64(l.n) << 1
	if l.exact {
		n++
	}
	offset := l.at - w.ends[l.base]
	w.ends[l.base] = l.at + l.n
	w.moves.code(baseField, uint64(w.numbers[l.base]))
	w.moves.code(offsetField, uint64(offset<<1^offset>>63))
	w.moves.code(countField, n)
	w.moves.code(dataField, uint64(l.extra))
}

// end ends the streams.
func (w *writer) end() error {
	w.flush()
	if w.stats.Operations > 0 {
		w.err = errors.Join(w.err, w.moves.finish())
	}
	if w.stats.Changed > 0 {
		w.err = errors.Join(w.err, w.deltas.finish())
	}
	if w.stats.New > 0 && w.novel != nil {
		w.err = errors.Join(w.err, w.novel.finish())
	}
	for _, out := range w.out {
		if w.err == nil {
			w.err = out.Flush()
		}
	}
	w.moves, w.deltas = nil, nil
	return w.err
}

// finish writes the patch.
func (w *writer) finish(ctx context.Context, target Base, to io.Writer, temp string) error {
	if err := w.end(); err != nil {
		return err
	}
	h := Header{Target: target.DiffID, Size: target.Size, frames: [streams]frame{{codec: codecModel},
		{codec: codecModel}, {codec: codecModel}}}
	for _, b := range w.used {
		h.Bases = append(h.Bases, w.bases[b].DiffID)
	}
	if w.novel == nil {
		h.frames[dataStream].codec = codecZstd
		if err := w.compress(ctx, temp); err != nil {
			return err
		}
	}
	for i, f := range w.spools[:streams] {
		h.frames[i].n, w.stats.Streams[i] = f.Size(), f.Size()
	}
	counted := &counter{w: to}
	err := h.write(counted)
	for _, f := range w.spools[:streams] {
		if err == nil {
			_, err = io.Copy(counted, io.NewSectionReader(f, 0, f.Size()))
		}
	}
	w.stats.Size, w.stats.Bases = counted.n, h.Bases
	return err
}

// encoding is taken by who compresses, because an encoder needs 50 MiB.
var encoding = make(chan struct{}, 1)

// compress writes new bytes by zstd. What the model has made of some of them is given up.
func (w *writer) compress(ctx context.Context, temp string) error {
	select {
	case encoding <- struct{}{}:
		defer func() { <-encoding }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	to, err := spool.Create(temp)
	if err != nil {
		return err
	}
	raw, given := w.spools[rawStream], w.spools[dataStream]
	w.spools[dataStream] = to
	defer given.Close()
	size := max(raw.Size(), zstd.MinWindowSize)
	z, err := newEncoder(min(limits.PatchWindow, 1<<bits.Len64(uint64(size-1))), size > muchData)
	if err != nil {
		return err
	}
	z.Reset(to)
	r := transfer.WithContext(ctx, io.NewSectionReader(raw, 0, raw.Size()))
	_, err = io.Copy(z, struct{ io.Reader }{r})
	return errors.Join(err, z.Close())
}

// muchData is how many new bytes are compressed in a third of the time. A patch of so many seldom pays.
const muchData = 16 << 20

// best is replaced in tests that make very many patches: its tables take longer than a small layer.
var best = zstd.SpeedBestCompression

func newEncoder(window int, fast bool) (*zstd.Encoder, error) {
	level := best
	if fast {
		level = zstd.SpeedBetterCompression
	}
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithWindowSize(window),
		zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
}

// counter counts what passes.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
