package repair

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"drayage/internal/durable"
	"drayage/internal/kind"
	"drayage/internal/volume"
)

// ErrPlace says that what has to be mended cannot be written where it belongs. Nothing has been changed.
var ErrPlace = errors.New("it cannot be written where it belongs")

// Try reports why Run would fail, as far as that shows before anything is changed.
func (r *Repair) Try() error {
	if err := r.prepare(); err != nil {
		return kind.Errorf(ErrPlace, "%w", err)
	}
	if r.Lack != nil {
		return r.Lack
	}
	return nil
}

// Set is the set that is repaired.
func (r *Repair) Set() *volume.Set { return r.set }

// prepare reports what will not work, before anything is changed.
func (r *Repair) prepare() error {
	need, largest := map[string]int64{}, map[string]int64{}
	var dirs []string
	enter := func(dir string, bytes, size int64) {
		if _, met := need[dir]; !met {
			dirs = append(dirs, dir)
		}
		need[dir] += bytes
		largest[dir] = max(largest[dir], size)
	}
	for _, n := range r.Renames {
		enter(filepath.Dir(n.To), 0, 0)
	}
	if r.Lack == nil {
		for _, m := range r.Mends {
			size := r.set.At(m.Volume).Size
			there := m.Found.Size
			if !r.inPlace(m) {
				there = sizeOf(r.partial(m.Volume))
				enter(filepath.Dir(m.Path), 0, 0)
				if err := r.isInTheWay(m.Path); err != nil {
					return err
				}
			} else if err := canWrite(m.Found); err != nil {
				return err
			}
			if there < size {
				enter(filepath.Dir(m.Path), size-there, size)
			}
		}
	}
	slices.Sort(dirs)
	for _, dir := range dirs {
		if err := canCreate(dir, begun(r.set.Name)+"try"); err != nil {
			return err
		}
		if err := durable.Room(dir, need[dir], largest[dir]); err != nil {
			return err
		}
	}
	return nil
}

// isInTheWay reports a file of another directory that has the name of a volume and is none.
func (r *Repair) isInTheWay(path string) error {
	if r.opts.Out == "" {
		return nil // it gets another name
	}
	if taken, err := isThere(path); err != nil || taken {
		return errors.Join(err, fmt.Errorf("%s is in the way: it is not this volume, or it is bad", path))
	}
	return nil
}

// inPlace reports whether a volume is mended in the file that has it.
func (r *Repair) inPlace(m Mend) bool { return r.opts.Out == "" && m.Found.Path != "" }

func sizeOf(path string) int64 {
	fi, err := os.Lstat(path)
	if err != nil || !fi.Mode().IsRegular() {
		return 0
	}
	return fi.Size()
}

func canWrite(found Found) error {
	f, err := openFound(found.Path, found, os.O_RDWR)
	if err != nil {
		return fmt.Errorf("%s cannot be mended where it is: %w", found.Path, durable.Cause(err))
	}
	return f.Close()
}

// canCreate makes a file and removes it. It always has the same name, so a kill between the two leaves at
// most one, and the next run removes that.
func canCreate(dir, name string) error {
	path := filepath.Join(dir, name)
	_ = os.Remove(path)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another repair tries the same
	}
	if err != nil {
		return fmt.Errorf("nothing can be written to %s: %w", dir, durable.Cause(err))
	}
	f.Close()
	return os.Remove(path)
}
