package repair

import (
	"path/filepath"
	"slices"
	"strings"

	"drayage/internal/volume"
)

// FoundBy is what a check of all volumes has found. What an earlier run has begun and not finished is no
// volume: New and Run go on with it by themselves.
func FoundBy(h *volume.Health) []Found {
	found := make([]Found, len(h.States))
	others := &others{h.Set, map[string][]*volume.Set{}}
	for i := range h.States {
		s := &h.States[i]
		found[i] = nothing(h.Set, i)
		switch {
		case s.Condition == volume.Missing, isNoVolume(h.Set, filepath.Base(s.File)):
			continue
		case s.Misnamed && others.own(s.File):
			continue
		}
		found[i].Path, found[i].Size, found[i].Is = s.File, s.Size, s.Opened
		for b := range found[i].Bad {
			found[i].Bad[b] = s.IsBad(b)
		}
	}
	return found
}

// isNoVolume reports names of files that are not taken for volumes whatever is in them: what a repair has
// begun, and archives. An archive has the bytes of its only volume, and people want to keep it under its
// name.
func isNoVolume(set *volume.Set, name string) bool {
	if len(set.Volumes) == 1 && set.Volume == 0 {
		return name != set.Name && !isVolumeName(set, name)
	}
	only := len(set.Volumes) == 1
	return strings.HasPrefix(name, begun(set.Name)) || only && filepath.Ext(name) == filepath.Ext(set.Name)
}

// isVolumeName reports whether a set has a volume of that name.
func isVolumeName(set *volume.Set, name string) bool {
	for i := range set.Len() {
		if set.FileName(i) == name {
			return true
		}
	}
	return false
}

// begun is how the names of volumes begin that are not whole yet. It is no name that cat x.tar.0* takes.
func begun(archive string) string { return archive + ".partial." }

// partial is what volume i is called until it is whole.
func (r *Repair) partial(i int) string {
	end := strings.TrimPrefix(r.set.FileName(i), r.set.Name+".")
	return filepath.Join(filepath.Dir(r.goal(i)), begun(r.set.Name)+end)
}

// Done is what has been done about one volume, or would be.
type Done struct {
	Volume int
	Path   string // where it is now
	From   string // what it was called; empty: it has kept its name
	Blocks int    // that were computed
	New    bool   // the file is new
	Long   int64  // bytes behind its end that were cut off
	Added  int64  // bytes that a short file lacked
	Aside  string // what had its name is called so now; empty: nothing had
}

// Done lists what Run does about each volume about which it does something, in their order.
func (r *Repair) Done() (all []Done) {
	for i, f := range r.found {
		d := Done{Volume: i, Path: r.goal(i)}
		if to := r.renamed(f.Path); to != "" {
			d.From = f.Path
		}
		d.Aside = r.renamed(d.Path)
		if slices.ContainsFunc(r.found, func(o Found) bool { return filepath.Clean(o.Path) == d.Path }) {
			d.Aside = ""
		}
		if r.Lack == nil {
			r.about(&d, i)
		}
		if d != (Done{Volume: i, Path: d.Path}) {
			all = append(all, d)
		}
	}
	return all
}

// about enters what is mended.
func (r *Repair) about(d *Done, i int) {
	for _, m := range r.Mends {
		if m.Volume != i {
			continue
		}
		size := r.set.At(i).Size
		d.Blocks, d.New = m.Blocks, !r.inPlace(m)
		if !d.New {
			d.Long, d.Added = max(0, m.Found.Size-size), max(0, size-m.Found.Size)
		}
	}
}

// renamed is what a file is called after all renames; empty: it keeps its name.
func (r *Repair) renamed(path string) string {
	if path == "" {
		return ""
	}
	path = filepath.Clean(path)
	now := path
	for _, n := range r.Renames {
		if n.From == now {
			now = n.To
		}
	}
	if now == path {
		return ""
	}
	return now
}
