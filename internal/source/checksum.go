package source

import (
	"context"
	"path/filepath"

	"drayage/internal/checksums"
)

// Checksum compares the archive with the file of checksums beside it. It returns the path of that file, or
// nothing if there is none that knows the archive, and the name of a file that is not what it says.
func (s *Set) Checksum(ctx context.Context) (path, differs string, err error) {
	if s.Spec.Kind != Archive {
		return "", "", nil
	}
	var have []checksums.Line
	at := s.Spec.Path
	if s.Volumes != nil {
		set := s.Volumes.Set()
		at = filepath.Join(filepath.Dir(at), set.Name)
		for i := range set.Len() {
			have = append(have, checksums.Line{Name: set.FileName(i), SHA256: set.At(i).SHA256})
		}
	}
	lines, err := checksums.Beside(at)
	if err != nil || lines == nil {
		return "", "", err
	}
	if name := filepath.Base(at); have == nil && checksums.Of(lines, name) != "" {
		_, sum, err := s.Sum(ctx)
		if err != nil {
			return "", "", err
		}
		have = []checksums.Line{{Name: name, SHA256: sum}}
	}
	n, differs := checksums.Compare(lines, have)
	if n == 0 && differs == "" {
		return "", "", nil
	}
	return at + checksums.Suffix, differs, nil
}
