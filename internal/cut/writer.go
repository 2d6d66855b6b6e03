package cut

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"drayage/internal/durable"
	"drayage/internal/limits"
	"drayage/internal/volume"
)

// Options say how an archive is cut. Volume must be set, to what [ParseSize] returns.
type Options struct {
	Volume int64 // the size of a volume, in bytes
	// Folders take further volumes when the archive's own folder has no room for another one, in their order.
	Folders []string
	// Checksum asks for a file of checksums in each folder, of the files there.
	Checksum bool
	// Parity is how many parity volumes there are going to be.
	Parity int
}

// Writer is an archive that is being written into volumes. It has the methods of a file that writers of
// archives need; those with an offset may be called concurrently. The caller ends it with Finish and Commit,
// and with Abort in any case: no other process changes the files of the archive before that.
type Writer struct {
	*places
	sums      bool
	hold      *durable.Hold
	path      string
	most      int   // data volumes
	expected  int64 // about the size that the archive will have
	redundant int   // parity volumes
	old       []*former

	mu    sync.RWMutex
	files []*durable.Output // volumes; nil: not begun
	size  int64
	keeps bool // what an earlier run has left of volumes stays
	pos   int64

	parity   []*durable.Output
	parityOf []int // their folders
	set      *volume.Set
	encoded  []byte // the set file
}

// Create begins the archive at path: volumes beside it, path.001 and so on. It fails if what is there already
// must not be replaced.
func Create(path string, opts Options) (*Writer, error) {
	w, err := begin(path, opts)
	if err != nil {
		return nil, err
	}
	if err := w.Truncate(0); err != nil {
		w.Abort()
		return nil, err
	}
	return w, nil
}

// begin holds the files of the archive in all folders until Abort, and leaves everything as it is.
func begin(path string, opts Options) (*Writer, error) {
	if err := volume.CheckName(filepath.Base(path)); err != nil {
		return nil, err
	}
	p, err := newPlaces(path, opts.Volume, opts.Folders)
	if err != nil {
		return nil, err
	}
	hold, err := durable.HoldFolders(p.name, p.dirs()...)
	if err != nil {
		return nil, err
	}
	w := &Writer{places: p, hold: hold, sums: opts.Checksum, path: path, most: limits.SetVolumes - opts.Parity,
		keeps: true, redundant: opts.Parity}
	if err = w.findFormer(); err == nil {
		_, err = w.file(0)
	}
	if err != nil {
		hold.Release()
		return nil, err
	}
	return w, nil
}

// file returns volume i, and begins it if that has not been done.
func (w *Writer) file(i int) (*durable.Output, error) {
	w.mu.RLock()
	if i < len(w.files) && w.files[i] != nil {
		defer w.mu.RUnlock()
		return w.files[i], nil
	}
	w.mu.RUnlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open(i)
}

func (w *Writer) open(i int) (*durable.Output, error) {
	if i >= w.most {
		return nil, &TooManyError{Volume: w.volume, Most: w.most}
	}
	for len(w.files) <= i {
		w.files = append(w.files, nil)
	}
	if w.files[i] != nil {
		return w.files[i], nil
	}
	f, err := durable.OpenOutput(filepath.Join(w.dir(i), volumeName(w.name, i)), partialName(w.name, i))
	if err != nil {
		return nil, err
	}
	if !w.keeps {
		if err := f.Truncate(0); err != nil {
			f.Abort()
			return nil, err
		}
	}
	w.files[i] = f
	return f, nil
}

// WriteAt implements io.WriterAt.
func (w *Writer) WriteAt(p []byte, off int64) (n int, err error) {
	for len(p) > 0 {
		f, err := w.file(int(off / w.volume))
		if err != nil {
			return n, err
		}
		at := off % w.volume
		m, err := f.WriteAt(p[:min(int64(len(p)), w.volume-at)], at)
		n, off, p = n+m, off+int64(m), p[m:]
		if err != nil {
			return n, err
		}
	}
	w.mu.Lock()
	w.size = max(w.size, off)
	w.mu.Unlock()
	return n, nil
}

// ReadAt implements io.ReaderAt.
func (w *Writer) ReadAt(p []byte, off int64) (n int, err error) {
	w.mu.RLock()
	size := w.size
	w.mu.RUnlock()
	if off >= size {
		return 0, io.EOF
	}
	cut := int64(len(p)) > size-off
	for p = p[:min(int64(len(p)), size-off)]; len(p) > 0; {
		f, err := w.file(int(off / w.volume))
		if err != nil {
			return n, err
		}
		at := off % w.volume
		m, err := f.ReadAt(p[:min(int64(len(p)), w.volume-at)], at)
		n, off, p = n+m, off+int64(m), p[m:]
		if err != nil && (err != io.EOF || m == 0) {
			return n, err
		}
	}
	if cut {
		return n, io.EOF
	}
	return n, nil
}

// Write implements io.Writer: it writes behind what it has written.
func (w *Writer) Write(p []byte) (int, error) {
	n, err := w.WriteAt(p, w.pos)
	w.pos += int64(n)
	return n, err
}

// Seek moves the place of Write, to an offset from the beginning.
func (w *Writer) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart {
		return w.pos, errors.ErrUnsupported
	}
	w.pos = offset
	return offset, nil
}

// Truncate makes the archive so many bytes long. It begins and removes volumes for that.
func (w *Writer) Truncate(size int64) error {
	n := int((size + w.volume - 1) / w.volume)
	if n > w.most {
		return &TooManyError{Volume: w.volume, Most: w.most, Enough: Enough(size, w.most)}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if size == 0 {
		w.keeps = false
		if err := w.removePartial(); err != nil {
			return err
		}
	}
	for i := range max(n, len(w.files)) {
		if err := w.resize(i, max(min(size-int64(i)*w.volume, w.volume), 0)); err != nil {
			return err
		}
	}
	w.size = size
	w.forget(max(n, 1))
	return nil
}

// forget takes back the places of all volumes behind the first n.
func (w *Writer) forget(n int) {
	w.files = w.files[:min(n, len(w.files))]
	for len(w.of) > n {
		last := len(w.of) - 1
		w.folders[w.of[last]].n--
		w.of = w.of[:last]
	}
}

// resize gives volume i its size. Only the first one may be empty: it is locked for this process.
func (w *Writer) resize(i int, size int64) error {
	if size > 0 || i == 0 {
		f, err := w.open(i)
		if err != nil {
			return err
		}
		return f.Truncate(size)
	}
	if f := w.files[i]; f != nil {
		f.Abort()
		w.files[i] = nil
	}
	return nil
}

// removePartial removes what an earlier run has left, besides what this one has open.
func (w *Writer) removePartial() error {
	for k, f := range w.folders {
		names, err := f.partial(w.name)
		if err != nil {
			return err
		}
		for _, name := range names {
			i, data := number(name, durable.PartialName(w.name))
			if data && i < len(w.files) && w.files[i] != nil && w.of[i] == k {
				continue
			}
			if err := os.Remove(filepath.Join(f.dir, name)); err != nil {
				return err
			}
		}
		for _, end := range small {
			err := os.Remove(filepath.Join(f.dir, durable.PartialName(w.name+end)))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		f.kept = 0
	}
	return nil
}

// Room fails if there is no room for rest more bytes. It is for dockerarchive's options.
func (w *Writer) Room(rest int64) error {
	return w.fits(rest, rest)
}

// possible fails if there must be no volumes for an archive of size bytes.
func (w *Writer) possible(size int64) error {
	if n := (size + w.volume - 1) / w.volume; n > int64(w.most) {
		return &TooManyError{Volume: w.volume, Most: w.most, Enough: Enough(size, w.most)}
	}
	return w.inTheWay(size)
}

// fits fails if there cannot be an archive of size bytes with rest bytes still to be written.
func (w *Writer) fits(size, rest int64) error {
	w.expected = size
	if err := w.possible(size); err != nil {
		return err
	}
	if err := w.tooMuchParity(size); err != nil {
		return err
	}
	return w.advise(w.check(size, rest, w.redundant))
}

// Abort removes what has been written, and lets others write it. After Commit it only does the second.
func (w *Writer) Abort() {
	defer w.hold.Release()
	for _, f := range append(w.files, w.parity...) {
		if f != nil {
			f.Abort()
		}
	}
	w.files, w.parity = nil, nil
}
