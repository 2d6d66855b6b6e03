package shelf

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/source"
	"drayage/internal/volume"
)

// state tells whether files are what they were: all that a SOURCE is read from, as far as a look from outside
// shows it.
type state []fileState

type fileState struct {
	path string
	info os.FileInfo // nil: there is none
}

// stateOf looks at the files of a SOURCE.
func (o *opener) stateOf(spec source.Spec) state {
	if o.folders == nil {
		o.folders = folders{}
	}
	return state(nil).add(spec, o.Source.Volumes, o.folders)
}

// folders are the names in folders. Each folder is listed once.
type folders map[string][]string

// list lists the names in a folder, in order.
func (f folders) list(dir string) []string {
	names, known := f[dir]
	if !known {
		names = entries(dir)
		f[dir] = names
	}
	return names
}

// lookAll looks at the files of SOURCEs. volumes are further folders with volumes.
func lookAll(specs []source.Spec, volumes []string) (s state) {
	listed := folders{}
	for _, spec := range specs {
		s = append(s, look(spec, volumes, listed)...)
	}
	return s
}

// look looks at the files of a SOURCE, which may be a folder.
func look(spec source.Spec, volumes []string, listed folders) (s state) {
	items, is, err := source.Folder(spec)
	if !is || err != nil {
		return s.add(spec, volumes, listed)
	}
	for _, item := range items {
		s = s.add(item, volumes, listed)
	}
	return s
}

// add adds the files of a SOURCE that is no folder.
func (s state) add(spec source.Spec, volumes []string, listed folders) state {
	switch spec.Kind {
	case source.Layout:
		return s.file(filepath.Join(spec.Path, v1.ImageIndexFile)).file(filepath.Join(spec.Path, "manifest.json"))
	case source.Archive:
		s = s.file(spec.Path)
		for _, dir := range append([]string{filepath.Dir(spec.Path)}, volumes...) {
			s = s.volumes(dir, filepath.Base(spec.Path), listed)
		}
	}
	return s
}

func (s state) file(path string) state {
	fi, err := os.Stat(path)
	if err != nil {
		fi = nil
	}
	return append(s, fileState{path, fi})
}

// volumes adds what is called like the volumes and the set file of an archive.
func (s state) volumes(dir, name string, listed folders) state {
	name = strings.TrimSuffix(name, volume.SetSuffix)
	if ext := filepath.Ext(name); len(ext) == 4 && strings.Trim(ext[1:], "0123456789") == "" {
		name = strings.TrimSuffix(name, ext)
	}
	names := listed.list(dir)
	first, _ := slices.BinarySearch(names, name+".")
	for _, entry := range names[first:] {
		rest, ok := strings.CutPrefix(entry, name+".")
		if !ok {
			break
		}
		if len(rest) <= len("set.minisig") {
			s = s.file(filepath.Join(dir, entry))
		}
	}
	return s
}

// entries lists the names in a folder, in order. What cannot be listed is empty.
func entries(dir string) (names []string) {
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// equal reports whether the same files are there, and none of them has changed.
func (s state) equal(t state) bool {
	if len(s) != len(t) {
		return false
	}
	for i, a := range s {
		b := t[i]
		switch {
		case a.path != b.path, (a.info == nil) != (b.info == nil):
			return false
		case a.info == nil:
		case a.info.Size() != b.info.Size(), !a.info.ModTime().Equal(b.info.ModTime()):
			return false
		case !os.SameFile(a.info, b.info):
			return false
		}
	}
	return true
}
