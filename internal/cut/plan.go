package cut

import (
	"path/filepath"

	"drayage/internal/limits"
	"drayage/internal/volume"
)

// Share is what one folder gets of an archive.
type Share struct {
	Path        string // which the archive would have there in one piece
	First, Last int    // volumes, counted from 1
	Size        int64  // of these together, in bytes
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
	return p.shares(size), nil
}

// shares says what each folder gets of an archive of size bytes.
func (p *places) shares(size int64) (all []Share) {
	for i := range int((size + p.volume - 1) / p.volume) {
		path := filepath.Join(p.dir(i), p.name)
		if n := len(all); n == 0 || all[n-1].Path != path {
			all = append(all, Share{Path: path, First: i + 1})
		}
		s := &all[len(all)-1]
		s.Last = i + 1
		s.Size += min(p.volume, size-int64(i)*p.volume)
	}
	return all
}

// Shares says what each folder gets, as far as that has been decided.
func (w *Writer) Shares() []Share { return w.shares(max(int64(len(w.of))*w.volume, 1)) }
