package cut

import (
	"path/filepath"

	"drayage/internal/checksums"
	"drayage/internal/volume"
)

// linesOf are the checksums of all volumes of a set.
func linesOf(set *volume.Set) (all []checksums.Line) {
	for i := range set.Len() {
		all = append(all, checksums.Line{Name: set.FileName(i), SHA256: set.At(i).SHA256})
	}
	return all
}

// summed reports whether the file of checksums beside path is about the former set.
func (f *former) summed(path string) bool {
	if f.set == nil {
		return false
	}
	lines, err := checksums.Beside(path)
	n, differs := checksums.Compare(lines, linesOf(f.set))
	return err == nil && n > 0 && differs == ""
}

// writeSums writes a file of checksums into each folder, of the files that it has got.
func (w *Writer) writeSums() error {
	lines := map[string][]checksums.Line{}
	for _, f := range w.Written() {
		dir, name := filepath.Split(f.Path)
		lines[dir] = append(lines[dir], checksums.Line{Name: name, SHA256: f.SHA256})
	}
	for dir, all := range lines {
		if err := checksums.Write(filepath.Join(dir, w.name), all); err != nil {
			return err
		}
	}
	return nil
}
