package repair

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"drayage/internal/durable"
	"drayage/internal/volume"
)

// renames finds out which files get other names, and in which order, so that none is overwritten and a kill
// between two of them leaves files that are found again. What has the name of a missing volume makes room
// only if that volume is going to be rebuilt.
func renames(set *volume.Set, found []Found, dir string, rebuilt bool) ([]Rename, error) {
	n := &namer{taken: map[string]bool{}, holder: map[string]int{}}
	for i, f := range found {
		if f.Path != "" {
			n.holder[filepath.Clean(f.Path)] = i
		}
	}
	for i, f := range found {
		home := dir
		if f.Path != "" {
			home = filepath.Dir(f.Path)
		}
		to := filepath.Join(home, set.FileName(i))
		if filepath.Clean(f.Path) == to {
			continue
		}
		if _, isVolume := n.holder[to]; !isVolume && (rebuilt || f.Path != "") {
			if err := n.setAside(to); err != nil {
				return nil, err
			}
		}
		if f.Path != "" {
			n.pending = append(n.pending, Rename{From: filepath.Clean(f.Path), To: to, Volume: i})
		}
	}
	err := n.order()
	return n.done, err
}

// namer plans renames. It knows what will be taken when those that it has planned are done.
type namer struct {
	taken   map[string]bool // by path; what is not in it is asked of the file system
	holder  map[string]int  // the volume in a file
	pending []Rename
	done    []Rename
}

func (n *namer) isTaken(path string) (bool, error) {
	if taken, ok := n.taken[path]; ok {
		return taken, nil
	}
	return isThere(path)
}

// isThere reports whether a path is taken. What is empty holds nothing, and may be replaced.
func isThere(path string) (bool, error) {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err != nil || !fi.Mode().IsRegular() || fi.Size() > 0, err
}

// free is a name that nothing has, made from path: x.tar.other.002 from x.tar.002. That is no name which
// cat x.tar.0* would take.
func (n *namer) free(path, why string) (string, error) {
	last := filepath.Ext(path)
	for k := 1; k < 1000; k++ {
		name := strings.TrimSuffix(path, last) + "." + why
		if k > 1 {
			name = fmt.Sprintf("%s%d", name, k)
		}
		name += last
		if taken, err := n.isTaken(name); !taken || err != nil {
			return name, err
		}
	}
	return "", fmt.Errorf("%s.%s: there are too many of them", path, why)
}

func (n *namer) add(r Rename) {
	n.taken[r.From], n.taken[r.To] = false, true
	n.done = append(n.done, r)
}

// setAside gives another name to what has the name of a volume and is none.
func (n *namer) setAside(path string) error {
	taken, err := n.isTaken(path)
	if err != nil || !taken {
		return err
	}
	to, err := n.free(path, "other")
	if err == nil {
		n.add(Rename{From: path, To: to, Volume: -1})
	}
	return err
}

// order does the renames whose name is free, until none is left. In a circle, the first file goes by way of
// a name of its own.
func (n *namer) order() error {
	for len(n.pending) > 0 {
		k := 0
		for ; k < len(n.pending); k++ {
			taken, err := n.isTaken(n.pending[k].To)
			if err != nil {
				return err
			}
			if !taken {
				break
			}
		}
		if k < len(n.pending) {
			n.add(n.pending[k])
			n.pending = append(n.pending[:k], n.pending[k+1:]...)
			continue
		}
		first := &n.pending[0]
		way, err := n.free(first.To, "renamed")
		if err != nil {
			return err
		}
		n.add(Rename{From: first.From, To: way, Volume: first.Volume})
		first.From = way
	}
	return nil
}

// rename gives a file its name. It never replaces another one.
func (r *Repair) rename(n Rename) error {
	if err := r.before(step{op: "rename", path: n.From, to: n.To}); err != nil {
		return err
	}
	if taken, err := isThere(n.To); err != nil || taken {
		return errors.Join(err, fmt.Errorf("%s: there is such a file now", n.To))
	}
	if err := os.Rename(n.From, n.To); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(n.To))
	if err != nil {
		return err
	}
	defer root.Close()
	return durable.SyncDir(root, ".")
}
