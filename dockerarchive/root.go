package dockerarchive

import (
	"archive/tar"
	"iter"
	"path"
	"strings"
)

// maxWrapping bounds the directories around an image that are looked into.
const maxWrapping = 16

// enter makes all names relative to the directory that holds the images, where somebody has packed a whole directory. It is the
// outermost one that looks like a saved image and has everything in it.
func (a *Reader) enter() {
	dirs := strings.Split(a.common(), "/")
	for depth := 0; depth <= min(len(dirs), maxWrapping); depth++ {
		root := path.Join(dirs[:depth]...)
		if a.imageIn(root) {
			a.root = root
			break
		}
	}
}

// inArchive is the name in the archive of what has a name in the root.
func (a *Reader) inArchive(name string) string {
	if a.root == "" {
		return name
	}
	return a.root + "/" + name
}

// all gives the entries with a name.
func (a *Reader) all(name string) iter.Seq[span] { return a.entries.all(a.inArchive(name)) }

// each gives each name once, with its first entry.
func (a *Reader) each() iter.Seq2[string, span] { return a.inside(false) }

// every gives all entries.
func (a *Reader) every() iter.Seq2[string, span] { return a.inside(true) }

func (a *Reader) inside(again bool) iter.Seq2[string, span] {
	return func(yield func(string, span) bool) {
		for name, s := range a.entries.each() {
			short, ok := name.text, true
			if a.root != "" {
				short, ok = strings.CutPrefix(name.text, a.root+"/")
			}
			if ok && (again || !name.again) && !yield(short, s) {
				return
			}
		}
	}
}

// common is the innermost directory that all files are in. What macOS adds to archives on its own does not count.
func (a *Reader) common() string {
	var common string
	first := true
	for name, s := range a.each() {
		base := path.Base(name)
		if kind := s.kind; kind == tar.TypeDir || kind == typeDumpDir || strings.HasPrefix(base, "._") || base == ".DS_Store" {
			continue
		}
		dir := strings.TrimSuffix(strings.TrimSuffix(name, base), "/")
		if first {
			common, first = dir, false
		}
		common = commonDir(common, dir)
	}
	return common
}

// commonDir is the innermost directory that both names are in or are.
func commonDir(x, y string) string {
	end := 0
	for i := 0; ; i++ {
		switch {
		case i == len(x) || i == len(y):
			if len(x) == len(y) || i < len(x) && x[i] == '/' || i < len(y) && y[i] == '/' {
				end = i
			}
			return x[:end]
		case x[i] != y[i]:
			return x[:end]
		case x[i] == '/':
			end = i
		}
	}
}

// imageIn reports whether a directory holds what a saved image begins with.
func (a *Reader) imageIn(dir string) bool {
	for _, name := range []string{"manifest.json", "oci-layout", "repositories"} {
		if a.has(path.Join(dir, name)) {
			return true
		}
	}
	return len(a.legacyDirs(dir)) > 0
}

// target is the name that a link leads to: that of a hard link as tar writes it, from the top of the archive on, that of a
// symbolic link from its directory on. Neither leads out of the archive.
func (a *Reader) target(name string, s span) string {
	full := s.link
	if s.kind == tar.TypeSymlink && !path.IsAbs(s.link) {
		full = path.Join("/", a.root, path.Dir(name), s.link)
	}
	full = clean(full)
	if short, ok := strings.CutPrefix(full, a.root+"/"); ok && a.root != "" && a.has(short) {
		return short
	}
	return full
}
