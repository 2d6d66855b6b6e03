package volume

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"drayage/internal/durable"
)

// Files are the volumes of a set as [Find] has found them. They are read as one archive, of whose bytes none
// is given out before the block that it is in was compared with its hash. All methods but Close may be used
// concurrently.
type Files struct {
	set    *Set
	dirs   []string
	states []State
	partly bool // not all files of the folders were looked at

	mu      sync.Mutex
	opened  []readCloser // by volume
	checked [][]byte     // by volume and block: unknown, right or wrong
	why     []error      // by volume: of a block that could not be read
	closed  bool
	cache   cache
	slots   chan struct{} // one for each block that is compared at once
	ahead   sync.WaitGroup
	running int // blocks that are compared ahead of their use
}

// readCloser is an open file.
type readCloser interface {
	io.ReaderAt
	io.Closer
}

// What Files.checked says of a block.
const (
	unknown = iota
	right
	wrong
)

// maxAhead is how many blocks are compared before somebody asks for them.
const maxAhead = 2

func newFiles(set *Set, states []State, dirs []string) *Files {
	f := &Files{set: set, dirs: dirs, states: states, opened: make([]readCloser, set.Len()),
		checked: make([][]byte, set.Len()), why: make([]error, set.Len())}
	for i := range set.Len() {
		f.checked[i] = make([]byte, set.BlocksOf(i))
	}
	f.cache = newCache(set.Block)
	f.slots = make(chan struct{}, f.cache.atOnce(set.Block))
	return f
}

// Set is the set that the files belong to.
func (f *Files) Set() *Set { return f.set }

// Found says which volumes are there, and which are not what they should be as far as Find has looked.
func (f *Files) Found() *Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &Health{f.set, slices.Clone(f.states), f.dirs, f.partly}
}

// Size is that of the archive.
func (f *Files) Size() int64 { return f.set.Size }

// Close closes the files. Nothing is read then any more.
func (f *Files) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.ahead.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, file := range f.opened {
		if file != nil {
			file.Close()
		}
		f.opened[i] = nil
	}
	f.cache = newCache(f.set.Block)
	return nil
}

// file opens volume i once.
func (f *Files) file(i int) (io.ReaderAt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.states[i]
	switch {
	case f.closed:
		return nil, os.ErrClosed
	case s.Condition == Missing:
		return nil, (&Health{f.set, f.states, f.dirs, f.partly}).about([]int{i})
	case f.opened[i] != nil:
		return f.opened[i], nil
	}
	file, opened, err := openRegular(s.File)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.set.Title(i), durable.Cause(err))
	}
	f.opened[i], s.Opened = file, opened
	return file, nil
}

// ReadAt implements io.ReaderAt for the archive. An error about a volume that is missing or wrong names it.
func (f *Files) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, fmt.Errorf("offset %d of %s", offset, f.set.Name)
	}
	for n < len(p) && offset < f.set.Size {
		i, at := f.set.Locate(offset)
		k, err := f.read(i, at, p[n:])
		if err != nil {
			return n, err
		}
		n, offset = n+k, offset+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// mark remembers what a block has turned out to be.
func (f *Files) mark(i, b int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checked[i][b] = right
	if err != nil {
		f.checked[i][b] = wrong
	}
}

// Behind is the offset in the archive behind a block that cannot be read, or behind a volume that is missing.
func (f *Files) Behind(offset int64) int64 {
	i, at := f.set.Locate(offset)
	size := f.set.At(i).Size
	if f.states[i].Condition == Missing {
		return offset - at + size
	}
	return offset - at + min(size, (at/f.set.Block+1)*f.set.Block)
}
