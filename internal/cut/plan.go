package cut

import (
	"path/filepath"

	"drayage/internal/limits"
	"drayage/internal/volume"
)

// Share is what one folder gets of an archive.
type Share struct {
	Path        string // which the archive would have there in one piece
	First, Last int    // volumes, counted from 1; Last is less if there are none
	Parity      int    // parity volumes
	Size        int64  // of all these together, in bytes
}

// Plan says in which folders the volumes of an archive of size bytes would go. It changes nothing. It fails
// if there must be no such volumes, or would be too many.
func Plan(path string, opts Options, size int64) ([]Share, error) {
	if err := volume.CheckName(filepath.Base(path)); err != nil {
		return nil, err
	}
	p, err := newPlaces(path, opts.Volume, opts.Folders)
	if err != nil {
		return nil, err
	}
	w := &Writer{places: p, path: path, most: limits.SetVolumes - opts.Parity}
	if err := w.findFormer(); err != nil {
		return nil, err
	}
	if err := w.possible(size); err != nil {
		return nil, err
	}
	return p.shares(size, opts.Parity), nil
}

// shares says what each folder gets of an archive of size bytes with so many parity volumes.
func (p *places) shares(size int64, parity int) (all []Share) {
	for i := range int((size + p.volume - 1) / p.volume) {
		s := p.share(&all, p.folders[p.at(i)])
		if s.First == 0 {
			s.First = i + 1
		}
		s.Last = i + 1
		s.Size += min(p.volume, size-int64(i)*p.volume)
	}
	each := p.paritySize(size)
	at, undo := p.placeParity(parity, each)
	defer undo()
	for _, k := range at {
		s := p.share(&all, p.folders[k])
		s.Parity++
		s.Size += each
	}
	return all
}

// share is the last share if it is that of a folder, or else a new one.
func (p *places) share(all *[]Share, f *folder) *Share {
	path := filepath.Join(f.dir, p.name)
	if n := len(*all); n == 0 || (*all)[n-1].Path != path {
		*all = append(*all, Share{Path: path, Last: -1})
	}
	return &(*all)[len(*all)-1]
}

// Shares says what each folder gets of an archive of size bytes.
func (w *Writer) Shares(size int64) []Share { return w.shares(size, w.redundant) }
