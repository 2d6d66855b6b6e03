package cut

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"drayage/internal/limits"
	"drayage/internal/terminal"
	"drayage/internal/volume"
)

// Share is what one folder gets of an archive.
type Share struct {
	Path        string // which the archive would have there in one piece
	First, Last int    // volumes, counted from 1; Last is less if there are none
	Parity      int    // parity volumes
	Size        int64  // of all these together, in bytes
	Hint        string // what to do if there is no room for it
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
	all := p.shares(size, opts.Parity)
	for i := range all {
		all[i].Hint = w.hint()
	}
	return all, nil
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

// Shares says what each folder gets, as far as is known since Room was asked.
func (w *Writer) Shares() []Share { return w.shares(w.expected, w.redundant) }

// String says for people what goes where.
func (s Share) String() string {
	return fmt.Sprintf("%s: %s, %s", s.Folder(), s.Volumes(), terminal.Size(s.Size))
}

// Folder is what people call the folder.
func (s Share) Folder() string {
	if dir := filepath.Dir(s.Path); dir != "." {
		return dir
	}
	return "the current folder"
}

// Volumes says for people which volumes it gets.
func (s Share) Volumes() string {
	var parts []string
	switch n := s.Last - s.First + 1; {
	case n == 1:
		parts = append(parts, fmt.Sprintf("volume %d", s.Last))
	case n > 1:
		parts = append(parts, fmt.Sprintf("volumes %d to %d", s.First, s.Last))
	}
	if s.Parity > 0 {
		parts = append(parts, terminal.Count(s.Parity, "parity volume"))
	}
	return strings.Join(parts, " and ")
}

// Summary says for people in how many volumes the archive is.
func (w *Writer) Summary() string {
	text := " in 1 volume"
	if n := len(w.set.Volumes); n > 1 {
		text = fmt.Sprintf(" in %d volumes of %s", n, terminal.Size(w.volume))
	}
	if k := len(w.set.Parity); k > 0 {
		text += fmt.Sprintf(", with %s of %s", terminal.Count(k, "parity volume"),
			terminal.Size(w.set.Parity[0].Size))
	}
	return text
}

// Load is the line that loads the archive into Docker.
func (w *Writer) Load() string {
	var paths []string
	for k, f := range w.folders {
		if slices.Contains(w.of, k) {
			paths = append(paths, filepath.Join(f.dir, w.name))
		}
	}
	return loads(paths, len(w.set.Volumes))
}

// loads is the line for volumes that are called after paths.
func loads(paths []string, volumes int) string {
	const most = 99 // volumes whose numbers begin with 0
	end := ".0*"
	if volumes > most {
		end = ".[0-9]*"
	}
	line := "cat"
	for _, path := range paths {
		line += " " + terminal.ShellWord(path) + end
	}
	return line + " | docker load"
}
