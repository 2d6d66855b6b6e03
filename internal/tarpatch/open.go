package tarpatch

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"drayage/internal/limits"
)

// Reader gives out the layer that a patch makes of its bases. It ends with [io.EOF] only if that has the diff
// ID of the patch's header. Until then what it gave out may be wrong.
type Reader struct {
	header *Header
	bases  []source
	frames [streams]*bufio.Reader
	zstd   [streams]*zstd.Decoder // of those streams that are compressed so
	moves  *moves                 // or the model of operations
	deltas *deltas                // or that of differences
	novel  *novel                 // or that of data
	known  int64                  // bytes of data so far
	made   []byte                 // bytes of the operation that a model has made already
	sum    hash.Hash
	left   int64 // bytes of the target that are still to come
	op     step
	steps  int64 // operations so far
	diff   []byte
	err    error // for all later calls
}

// source is a base, and where the last operation on it ended.
type source struct {
	Base
	end int64
}

// step is what is left of an operation.
type step struct {
	base  int
	n     int64 // bytes of the base
	exact bool  // they are taken as they are
	extra int64 // bytes of data behind them
	look  bool  // the model of data is to look at the base first
}

// Open begins to apply a patch of size bytes. The bases may come in any order, and may be more than the patch
// needs. Their bytes have to be what their diff IDs say: who wrote them down has compared that. Close the
// Reader.
func Open(patch io.ReaderAt, size int64, bases []Base) (*Reader, error) {
	h, err := ReadHeader(patch, size)
	if err != nil {
		return nil, err
	}
	r := &Reader{header: h, sum: sha256.New(), left: h.Size}
	for _, want := range h.Bases {
		i := find(bases, want)
		if i < 0 {
			return nil, fmt.Errorf("patch: layer with diff ID %s, which it is made against, is not here", want)
		}
		r.bases = append(r.bases, source{Base: bases[i]})
	}
	for i, f := range h.frames {
		if err := r.open(i, f, io.NewSectionReader(patch, f.at, f.n)); err != nil {
			return nil, errors.Join(stream(i, err), r.Close())
		}
	}
	return r, nil
}

// open opens a stream.
func (r *Reader) open(i int, f frame, from io.Reader) error {
	if f.codec == codecZstd {
		z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxWindow(limits.PatchWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return err
		}
		r.zstd[i], from = z, z
	}
	r.frames[i] = bufio.NewReaderSize(from, 32<<10)
	if f.codec == codecModel && f.n > 0 {
		c := newDecoder(r.frames[i])
		switch i {
		case opsStream:
			r.moves = newMoves(c)
		case diffStream:
			r.deltas = newDeltas(c)
		default:
			r.novel = newNovel(c, r.header.Size)
		}
	}
	return nil
}

// Header is what the patch says of itself.
func (r *Reader) Header() *Header { return r.header }

// Read reads the bytes of the target. Its error about a patch that is damaged wraps [verify.ErrMismatch].
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 || r.err != nil {
		return 0, r.err
	}
	n, err := r.read(p)
	r.sum.Write(p[:n])
	r.left -= int64(n)
	r.err = err
	return n, err
}

// read gives out some bytes of one operation.
func (r *Reader) read(p []byte) (int, error) {
	if r.op.n == 0 && r.op.extra == 0 {
		if r.left == 0 {
			return 0, r.finish()
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	if r.op.n == 0 && r.novel != nil {
		return r.data(p)
	}
	if r.op.n == 0 {
		n, err := io.ReadFull(r.frames[dataStream], p[:min(int64(len(p)), r.op.extra)])
		r.op.extra -= int64(n)
		return n, stream(dataStream, err)
	}
	p = p[:min(int64(len(p)), r.op.n)]
	if r.deltas != nil && !r.op.exact {
		return r.change(p)
	}
	return r.copy(p)
}

// next reads an operation and compares it with what there is.
func (r *Reader) next() error {
	base, err := r.number(baseField)
	if err != nil {
		return err
	}
	var s step
	if base > 0 {
		if s, err = r.place(base - 1); err != nil {
			return err
		}
	}
	if s.extra, err = r.number(dataField); err != nil {
		return err
	}
	if s.n > r.left || s.extra > r.left-s.n {
		return faulty("an operation goes beyond the end of the layer")
	}
	if s.n+s.extra == 0 {
		return faulty("an operation does nothing")
	}
	r.op = s
	r.steps++
	return r.afford()
}

// afford refuses a patch that takes longer than its layer is worth.
func (r *Reader) afford() error {
	var all []*coder
	if r.moves != nil {
		all = append(all, r.moves.coder)
	}
	if r.deltas != nil {
		all = append(all, r.deltas.coder)
	}
	if cost(r.steps, all...)-freely > bitsPerByte*(r.header.Size-r.left) {
		return faulty("it takes more work than a layer of its size may")
	}
	return nil
}

// place reads which bytes of a base an operation takes.
func (r *Reader) place(base int64) (step, error) {
	if base >= int64(len(r.bases)) {
		return step{}, faulty("an operation takes layer %d of %d", base+1, len(r.bases))
	}
	b := &r.bases[base]
	offset, err := r.number(offsetField)
	if err != nil {
		return step{}, err
	}
	n, err := r.number(countField)
	if err != nil {
		return step{}, err
	}
	s := step{base: int(base), n: n >> 1, exact: n&1 == 1, look: n > 1}
	if offset < -b.end || offset > b.Size-b.end || s.n > b.Size-b.end-offset {
		return step{}, faulty("an operation takes bytes that layer %s does not have", b.DiffID)
	}
	b.end += offset
	return s, nil
}

// number reads a field of an operation.
func (r *Reader) number(field int) (n int64, err error) {
	var raw uint64
	if r.moves != nil {
		raw, err = r.moves.code(field, 0), r.moves.err
	} else {
		raw, err = binary.ReadUvarint(r.frames[opsStream])
	}
	if n = int64(raw); field == offsetField {
		n = int64(raw>>1) ^ -int64(raw&1)
	} else if n < 0 && err == nil {
		err = faulty("a number is too large")
	}
	return n, stream(opsStream, err)
}

// finish finds out whether all is used up, and the target is right.
func (r *Reader) finish() error {
	for i, from := range r.frames {
		switch n, err := io.ReadFull(from, make([]byte, 1)); {
		case n > 0:
			return faulty("stream %d has more than the layer takes", i+1)
		case err != io.EOF:
			return stream(i, err)
		}
	}
	if got := hex.EncodeToString(r.sum.Sum(nil)); got != r.header.Target.Encoded() {
		return faulty("the layer has diff ID sha256:%s, not %s as it ought to", got, r.header.Target)
	}
	return io.EOF
}

// Close ends the decoders. Bases and patch stay open.
func (r *Reader) Close() error {
	for _, z := range r.zstd {
		if z != nil {
			z.Close()
		}
	}
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
	return nil
}

// find returns where the layer with a diff ID is among some, or -1.
func find(bases []Base, d digest.Digest) int {
	for i, b := range bases {
		if b.DiffID == d {
			return i
		}
	}
	return -1
}

// stream says in which stream an error is.
func stream(i int, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return faulty("stream %d ends too early", i+1)
	}
	return faulty("stream %d: %w", i+1, err)
}
