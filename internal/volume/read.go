package volume

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"drayage/internal/durable"
	"drayage/internal/verify"
)

// read reads what one piece of volume i has of p.
func (f *Files) read(i int, offset int64, p []byte) (int, error) {
	within := offset % f.set.Block
	at := place{i, int(offset / f.set.Block), int(within / f.cache.size)}
	within %= f.cache.size
	b, n := f.find(at, within, p)
	if n > 0 {
		return n, nil
	}
	if <-b.done; b.err != nil {
		return 0, b.err
	}
	if _, n = f.find(at, within, p); n > 0 {
		return n, nil
	}
	return f.reread(b, at, within, p)
}

// find returns what is known of a block, and begins to compare it if that is nothing. If the piece is held it
// copies from that.
func (f *Files) find(at place, within int64, p []byte) (*block, int) {
	f.mu.Lock()
	b := f.cache.blocks[place{volume: at.volume, block: at.block}]
	isNew := b == nil
	if isNew {
		b = f.begin(at.volume, at.block)
	}
	n := f.cache.take(at, within, p)
	next := f.cache.follow(b, at.piece) && f.comesNext(b)
	f.mu.Unlock()
	if next {
		f.compareAhead(b)
	}
	if isNew {
		f.compare(b)
	}
	return b, n
}

// begin enters a block that is going to be compared. The caller holds f.mu.
func (f *Files) begin(i, b int) *block {
	_, size, _ := f.set.BlockAt(i, b)
	begun := &block{place: place{volume: i, block: b}, size: size, done: make(chan struct{}), last: -1}
	f.cache.begin(begun)
	return begun
}

// compare compares a block with its hash, and holds it if it is small.
func (f *Files) compare(b *block) {
	f.slots <- struct{}{}
	defer func() { <-f.slots }()
	defer close(b.done)
	pieces, states, err := f.load(b)
	f.mark(b.place.volume, b.place.block, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	if b.err = err; err == nil {
		b.states = states
	}
	for k, data := range pieces {
		if err == nil {
			f.cache.put(place{b.place.volume, b.place.block, k}, data)
		} else {
			f.cache.give(data)
		}
	}
	f.cache.finish(b)
}

// load reads a block and compares it with its hash. It returns its pieces if they are to be held, and the
// states of the hash before each piece: with these a piece that is read again is known to be the same.
func (f *Files) load(b *block) (pieces, states [][]byte, err error) {
	i := b.place.volume
	file, err := f.file(i)
	if err != nil {
		return nil, nil, err
	}
	offset, _, want := f.set.BlockAt(i, b.place.block)
	h := sha256.New()
	buf := f.buffer()
	for done := int64(0); done < b.size; {
		state, err := stateOf(h)
		if err != nil {
			return append(pieces, buf), nil, err
		}
		states = append(states, state)
		data := buf[:min(f.cache.size, b.size-done)]
		if err := readFull(file, data, offset+done); err != nil {
			return append(pieces, buf), nil, f.unreadable(i, b.place.block, err)
		}
		h.Write(data)
		if done += int64(len(data)); f.cache.keeps {
			pieces = append(pieces, data)
			if buf = nil; done < b.size {
				buf = f.buffer()
			}
		}
	}
	if sumOf(h) != want {
		err = f.badBlock(i, b.place.block)
	}
	if buf != nil {
		f.giveBack(buf)
	}
	return pieces, states, err
}

func (f *Files) buffer() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cache.buffer()
}

func (f *Files) giveBack(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cache.give(b)
}

// reread reads a piece of a block that has been compared. The file may have changed since: what is read has
// to bring the hash from its state before the piece to the one behind it.
func (f *Files) reread(b *block, at place, within int64, p []byte) (int, error) {
	file, err := f.file(at.volume)
	if err != nil {
		return 0, err
	}
	offset, _, want := f.set.BlockAt(at.volume, at.block)
	from := int64(at.piece) * f.cache.size
	buf := f.buffer()
	data := buf[:min(f.cache.size, b.size-from)]
	err = readFull(file, data, offset+from)
	if err == nil {
		err = leads(b.states, at.piece, data, want)
	}
	if err != nil {
		f.giveBack(buf)
		f.mark(at.volume, at.block, err)
		return 0, f.unreadable(at.volume, at.block, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cache.put(at, data)
	return f.cache.take(at, within, p), nil
}

// errOther is about a file whose content has changed since it was compared.
var errOther = errors.New("it has changed since it was compared")

// leads reports whether a piece leads from one state of the hash of its block to the next, or to the end.
func leads(states [][]byte, piece int, data []byte, want [sha256.Size]byte) error {
	h := sha256.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(states[piece]); err != nil {
		return err
	}
	h.Write(data)
	if piece == len(states)-1 {
		if sumOf(h) != want {
			return errOther
		}
		return nil
	}
	state, err := stateOf(h)
	if err == nil && !bytes.Equal(state, states[piece+1]) {
		err = errOther
	}
	return err
}

func stateOf(h hash.Hash) ([]byte, error) { return h.(encoding.BinaryMarshaler).MarshalBinary() }

// unreadable is the error about a block that cannot be read.
func (f *Files) unreadable(i, b int, err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return verify.Mismatchf("%s: %s is not there: the file is too short", f.set.Title(i), f.blockName(i, b))
	case errors.Is(err, errOther):
		return verify.Mismatchf("%s: %s: %v", f.set.Title(i), f.blockName(i, b), err)
	case errors.Is(err, os.ErrClosed):
		return err
	}
	f.mu.Lock()
	f.why[i] = durable.Cause(err)
	f.mu.Unlock()
	return fmt.Errorf("%s: %s: %w", f.set.Title(i), f.blockName(i, b), durable.Cause(err))
}

// badBlock is the error about a block that is not what its hash promises.
func (f *Files) badBlock(i, b int) error {
	h := f.Found()
	h.States[i].Condition, h.States[i].Bad = Damaged, []Range{{b, b + 1}}
	return &Error{h, []int{i},
		fmt.Sprintf("%s: %s is not what the set file says", f.set.Title(i), f.blockName(i, b))}
}

// blockName is what messages call a block.
func (f *Files) blockName(i, b int) string {
	return (&Health{Set: f.set}).listed(i, []Range{{b, b + 1}})
}

// comesNext reports whether the block behind b may be compared before it is needed. The caller holds f.mu.
func (f *Files) comesNext(b *block) bool {
	i, n := f.behind(b)
	switch {
	case i < 0, f.closed, f.running >= maxAhead, f.states[i].Condition == Missing:
		return false
	case f.cache.blocks[place{volume: i, block: n}] != nil:
		return false
	case f.cache.waste > 0:
		f.cache.waste--
		return false
	}
	return true
}

// behind is the volume and the number of the block behind b in the archive. The volume is negative if there
// is none.
func (f *Files) behind(b *block) (i, n int) {
	i, n = b.place.volume, b.place.block+1
	if n == f.set.BlocksOf(i) {
		i, n = i+1, 0
	}
	if i >= len(f.set.Volumes) {
		return -1, 0
	}
	return i, n
}

// compareAhead compares the block behind b meanwhile. Close waits for that.
func (f *Files) compareAhead(b *block) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.comesNext(b) {
		return
	}
	i, n := f.behind(b)
	next := f.begin(i, n)
	f.running++
	f.ahead.Go(func() {
		f.compare(next)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.running--
	})
}
