package cut

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"drayage/internal/checksums"
	"drayage/internal/durable"
	"drayage/internal/limits"
	"drayage/internal/volume"
)

// signatures are the ends of the names of signatures over a set file. They go with the set file.
var signatures = []string{".minisig", ".sig"}

// small are the ends of the names of what stands beside volumes.
var small = []string{checksums.Suffix, volume.SetSuffix, volume.SetSuffix + signatures[0]}

// former is what an earlier run has made in a folder under the same name.
type former struct {
	set *volume.Set // nil: there is none
}

// findFormer reads the set files that are going to be replaced.
func (w *Writer) findFormer() error {
	for _, f := range w.folders {
		if err := regular(f.dir, w.name); err != nil {
			return err
		}
		old, err := formerSet(filepath.Join(f.dir, volume.SetName(w.name)))
		if err != nil {
			return err
		}
		if old != nil && old.Volume == 0 && old.Name == w.name {
			return fmt.Errorf("%s belongs to %s, which is in one piece: give another name, or remove both",
				filepath.Join(f.dir, volume.SetName(w.name)), w.name)
		}
		w.old = append(w.old, &former{set: old})
	}
	return nil
}

// regular fails if a link, or something else that is no file, has the name of a file of an archive. Nobody
// named these files, so nothing is written through a link that a stranger may have put on a medium.
func regular(dir, archive string) error {
	names, err := listed(dir, archive)
	if err != nil {
		return err
	}
	set := volume.SetName(archive)
	names = append(names, set)
	for _, end := range signatures {
		names = append(names, set+end)
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if fi, err := os.Lstat(path); err == nil && !fi.Mode().IsRegular() {
			return durable.InTheWay(path)
		}
	}
	return nil
}

// formerSet reads the set file at path, if there is one.
func formerSet(path string) (*volume.Set, error) {
	f, err := durable.OpenRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, durable.ErrNotRegular) {
		return nil, durable.InTheWay(path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limits.SetFile+1))
	var set *volume.Set
	if err == nil {
		set, err = volume.Parse(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is in the way and cannot be read, so its volumes are not known: "+
			"remove them, or give another name: %w", path, err)
	}
	return set, nil
}

// superfluous lists files in a folder that are called like volumes of this archive, and which it does not
// replace: cat would take them for volumes of it. They may be removed if the former set says that they are
// its own. Any other is an error.
func (w *Writer) superfluous(k int) (names []string, err error) {
	dir, old := w.folders[k].dir, w.old[k].set
	all, err := listed(dir, w.name)
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	for _, name := range all {
		if w.replaces(k, name) {
			continue
		}
		if old == nil || !lists(old, name) {
			return nil, w.blocked(k, name)
		}
		names = append(names, name)
	}
	return names, nil
}

// inTheWay fails if it is clear that files are in the way of an archive of size bytes.
func (w *Writer) inTheWay(size int64) error {
	n := int((size + w.volume - 1) / w.volume)
	for k, f := range w.folders {
		all, err := listed(f.dir, w.name)
		if err != nil {
			return err
		}
		slices.Sort(all)
		for _, name := range all {
			i, data := number(name, w.name)
			if old := w.old[k].set; data && i >= n && (old == nil || !lists(old, name)) {
				return w.blocked(k, name)
			}
		}
	}
	return nil
}

func (w *Writer) blocked(k int, name string) error {
	return fmt.Errorf("%s is in the way: it is called like a volume of %s and would not be one; "+
		"remove it, or give another name", filepath.Join(w.folders[k].dir, name), w.name)
}

// replaces reports whether a file in folder k is going to be replaced by a new volume.
func (w *Writer) replaces(k int, name string) bool {
	if i, data := number(name, w.name); data {
		return i < len(w.files) && w.files[i] != nil && w.of[i] == k
	}
	for i := range w.parity {
		if name == parityName(w.name, i) && w.parityOf[i] == k {
			return true
		}
	}
	return false
}

// lists reports whether a set has a volume that is called name.
func lists(set *volume.Set, name string) bool {
	for i := range set.Len() {
		if set.FileName(i) == name {
			return true
		}
	}
	return false
}

// clear removes from folder k what belongs to the former set alone, and then the former set file. So at no
// time is there a set file beside volumes that are not its own.
func (w *Writer) clear(k int, superfluous []string) error {
	root := w.hold.Root(k)
	set := volume.SetName(w.name)
	gone := superfluous
	if w.sums || w.old[k].summed(filepath.Join(w.folders[k].dir, w.name)) {
		gone = append(gone, w.name+checksums.Suffix)
	}
	for _, end := range signatures {
		gone = append(gone, set+end)
	}
	for _, name := range append(gone, set) {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return durable.SyncDir(root, ".")
}
