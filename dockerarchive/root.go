package dockerarchive

import (
	"archive/tar"
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
	if a.root == "" {
		return
	}
	inside := make(map[string][]span, len(a.entries))
	for name, spans := range a.entries {
		if short, ok := strings.CutPrefix(name, a.root+"/"); ok {
			inside[short] = spans
		}
	}
	a.entries = inside
}

// common is the innermost directory that all files are in. What macOS adds to archives on its own does not count.
func (a *Reader) common() string {
	var common string
	first := true
	for name, spans := range a.entries {
		base := path.Base(name)
		if kind := spans[0].kind; kind == tar.TypeDir || kind == typeDumpDir || strings.HasPrefix(base, "._") || base == ".DS_Store" {
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
		if len(a.entries[path.Join(dir, name)]) > 0 {
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
	if short, ok := strings.CutPrefix(full, a.root+"/"); ok && a.root != "" && len(a.entries[short]) > 0 {
		return short
	}
	return full
}
