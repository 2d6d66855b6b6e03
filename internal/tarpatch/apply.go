package tarpatch

import "io"

// change fills p with bytes that the model makes of those of the base.
func (r *Reader) change(p []byte) (int, error) {
	if len(r.made) == 0 {
		n := min(r.op.n, chunk)
		r.room()
		old, new := r.diff[:n], r.diff[chunk:][:n]
		b := &r.bases[r.op.base]
		at := b.end
		if err := b.read(old); err != nil {
			return 0, err
		}
		r.deltas.code(old, new, at, r.header.Size-r.left-at)
		if r.deltas.err != nil {
			return 0, stream(diffStream, r.deltas.err)
		}
		r.made = new
		if err := r.afford(); err != nil {
			return 0, err
		}
	}
	n := r.take(p)
	r.op.n -= int64(n)
	return n, nil
}

// room makes room for what models make.
func (r *Reader) room() {
	if r.diff == nil {
		r.diff = make([]byte, 2*chunk)
	}
}

// take fills p with what a model has made.
func (r *Reader) take(p []byte) int {
	n := copy(p, r.made)
	r.made = r.made[n:]
	return n
}

// data fills p with bytes that the model knows, of data.
func (r *Reader) data(p []byte) (int, error) {
	if len(r.made) == 0 {
		n := min(r.op.extra, chunk)
		if r.known += n; r.known > dataLimit(r.header.Size) {
			return 0, faulty("its model has more than %d bytes of data", dataLimit(r.header.Size))
		}
		if r.op.look {
			b := &r.bases[r.op.base]
			if err := r.novel.beside(b.Base, b.end); err != nil {
				return 0, err
			}
			r.op.look = false
		}
		r.room()
		r.made = r.diff[:n]
		r.novel.code(r.made)
		if r.novel.err != nil {
			return 0, stream(dataStream, r.novel.err)
		}
	}
	n := r.take(p)
	r.op.extra -= int64(n)
	return n, nil
}

// read fills p with the next bytes of the base.
func (b *source) read(p []byte) error {
	n, err := b.ReadAt(p, b.end)
	if n < len(p) {
		if err == io.EOF {
			err = faulty("layer %s is shorter than %d bytes", b.DiffID, b.Size)
		}
		return err
	}
	b.end += int64(n)
	return nil
}

// copy fills p from the base of the operation.
func (r *Reader) copy(p []byte) (int, error) {
	n := len(p)
	if err := r.bases[r.op.base].read(p); err != nil {
		return 0, err
	}
	r.op.n -= int64(n)
	if r.op.exact {
		return n, nil
	}
	if len(r.diff) < n {
		r.diff = make([]byte, max(n, 32<<10))
	}
	if _, err := io.ReadFull(r.frames[diffStream], r.diff[:n]); err != nil {
		return 0, stream(diffStream, err)
	}
	for i, d := range r.diff[:n] {
		p[i] += d
	}
	return n, nil
}
