package tarfs

import (
	"archive/tar"
	"iter"
	"path"
	"strings"
)

// maxAround bounds the directories that [Index.Around] lists.
const maxAround = 16

// SetRoot makes all names relative to a directory, for the case that somebody has packed a whole directory.
// Nothing outside it can be found any more. SetRoot must not be called while the index is used.
func (x *Index) SetRoot(dir string) { x.root = dir }

// full is the name in the tar of what has a name below the root.
func (x *Index) full(name string) string {
	if x.root == "" {
		return name
	}
	return x.root + "/" + name
}

// all gives the entries of a name.
func (x *Index) all(name string) iter.Seq[Entry] { return x.entries.all(x.full(name)) }

// Entries gives all entries below the root. A name comes as often as it is in the tar.
func (x *Index) Entries() iter.Seq2[string, Entry] { return x.below(x.root, true) }

// Below gives the names of everything below a directory, relative to it, each once. The directory "" is the
// root.
func (x *Index) Below(dir string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range x.below(strings.TrimSuffix(x.full(dir), "/"), false) {
			if !yield(name) {
				return
			}
		}
	}
}

// below gives the entries below a directory of the tar. Unless they may repeat, a name comes with its first
// entry only.
func (x *Index) below(dir string, repeats bool) iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		for name, e := range x.entries.each(repeats) {
			ok := true
			if dir != "" {
				name, ok = strings.CutPrefix(name, dir+"/")
			}
			if ok && !yield(name, e) {
				return
			}
		}
	}
}

// Around lists the directories that all files are in, from the root inwards: "", "a", "a/b". It ends after
// sixteen. What macOS adds to archives on its own does not count as a file.
func (x *Index) Around() []string {
	all, dirs := []string{""}, strings.Split(x.common(), "/")
	for i := range dirs[:min(len(dirs), maxAround)] {
		all = append(all, path.Join(dirs[:i+1]...))
	}
	return all
}

// common is the innermost directory that all files are in.
func (x *Index) common() string {
	var common string
	first := true
	for name, e := range x.below(x.root, false) {
		base := path.Base(name)
		if e.isDir() || strings.HasPrefix(base, "._") || base == ".DS_Store" {
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
func commonDir(a, b string) string {
	end := 0
	for i := 0; ; i++ {
		switch {
		case i == len(a) || i == len(b):
			if len(a) == len(b) || i < len(a) && a[i] == '/' || i < len(b) && b[i] == '/' {
				end = i
			}
			return a[:end]
		case a[i] != b[i]:
			return a[:end]
		case a[i] == '/':
			end = i
		}
	}
}

// Trail gives a cleaned name and, if it is a link, the names that it leads to, one after another.
func (x *Index) Trail(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for range maxLinks {
			if !yield(name) {
				return
			}
			next, isLink := "", false
			for e := range x.all(name) {
				if isLink = e.isLink(); isLink {
					next = x.target(name, e)
					break
				}
			}
			if !isLink {
				return
			}
			name = next
		}
	}
}

// target is the name that a link leads to. A hard link counts from the top of the tar, as tar writes it, a
// symbolic link from its own directory. Neither leads out of the tar.
func (x *Index) target(name string, e Entry) string {
	full := e.Link
	if e.Kind == tar.TypeSymlink && !path.IsAbs(e.Link) {
		full = path.Join("/", x.root, path.Dir(name), e.Link)
	}
	full = Clean(full)
	if short, ok := strings.CutPrefix(full, x.root+"/"); ok && x.root != "" && x.Has(short) {
		return short
	}
	return full
}
