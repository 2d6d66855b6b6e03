package registry

import (
	"errors"
	"sync"

	"github.com/opencontainers/go-digest"

	"drayage/image"
)

// history remembers how the blobs of a repository were opened. A blob that is opened at its start once more
// may have been wrong: it then comes from another place.
type history struct {
	mu    sync.Mutex
	blobs map[digest.Digest]*past
}

// past is what a history knows of one blob.
type past struct {
	begun   bool // it was opened at its start, in the repository or where it is foreign
	excused bool // there is another reason to begin once more: there are no ranges
	foreign bool // the repository does not have it, and an address in its descriptor does
	address int  // the number of that address
}

func (h *history) change(d digest.Digest, f func(*past)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.blobs == nil {
		h.blobs = map[digest.Digest]*past{}
	}
	if h.blobs[d] == nil {
		h.blobs[d] = &past{}
	}
	f(h.blobs[d])
}

// again reports whether a blob was opened at its start before, without another reason to begin once more.
func (h *history) again(d digest.Digest) (again bool) {
	h.change(d, func(p *past) { again, p.excused = p.begun && !p.excused, false })
	return again
}

// opened notes how the opening of a blob in the repository ended.
func (h *history) opened(d digest.Digest, offset, length int64, err error) {
	h.change(d, func(p *past) {
		switch {
		case err == nil && offset == 0:
			p.begun = true
		case err == nil && length < 0:
			p.excused = false // it could go on where it was
		case errors.Is(err, image.ErrNoRanges):
			p.excused = true
		}
	})
}

// absent reports whether a blob comes from an address in its descriptor.
func (h *history) absent(d digest.Digest) (absent bool) {
	h.change(d, func(p *past) { absent = p.foreign })
	return absent
}

// address is the number of the address to begin with. A layer that is opened at its start once more may have
// been wrong at the last one.
func (h *history) address(d digest.Digest, offset int64) (first int) {
	h.change(d, func(p *past) {
		if first = p.address; p.foreign && p.begun && offset == 0 {
			first++
		}
	})
	return first
}

// openedForeign notes that a layer was opened at an address in its descriptor.
func (h *history) openedForeign(d digest.Digest, address int, offset int64) {
	h.change(d, func(p *past) {
		p.begun = p.foreign && p.begun || offset == 0
		p.foreign, p.address = true, address
	})
}
