package tarfs

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"time"
)

// Open implements [fs.FS]. It opens regular files, and links to them. They can be read at any offset
// (io.ReaderAt). Directories cannot be listed.
func (x *Index) Open(name string) (fs.File, error) {
	var f *File
	err := fs.ErrNotExist
	switch {
	case !fs.ValidPath(name):
		err = fs.ErrInvalid
	case x.Has(name):
		f, err = x.Find(name)
	case x.fault != nil:
		return nil, x.hidden()
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{SectionReader: f.Open(), name: path.Base(name)}, nil
}

const maxAround = 16 // directories that [Index.Around] lists

// Overlay shows some files in memory before, or besides, those of another file system.
func Overlay(under fs.FS, files map[string][]byte) fs.FS { return overlay{under, files} }

type overlay struct {
	under fs.FS
	files map[string][]byte
}

func (o overlay) Open(name string) (fs.File, error) {
	content, ok := o.files[name]
	if !ok {
		return o.under.Open(name)
	}
	r := io.NewSectionReader(bytes.NewReader(content), 0, int64(len(content)))
	return &openFile{SectionReader: r, name: path.Base(name)}, nil
}

type openFile struct {
	*io.SectionReader
	name string
}

func (f *openFile) Stat() (fs.FileInfo, error) {
	h := tar.Header{Name: f.name, Size: f.Size(), Mode: 0o444, Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
	return h.FileInfo(), nil
}

func (f *openFile) Close() error { return nil }

// SetRoot makes all names relative to a directory, for the case that somebody has packed a whole directory.
// Nothing outside it can be found any more. SetRoot must not be called while the index is used.
func (x *Index) SetRoot(dir string) { x.root = dir }

func (x *Index) full(name string) string {
	if x.root == "" {
		return name
	}
	return x.root + "/" + name
}

func (x *Index) all(name string) iter.Seq[Entry] { return x.entries.all(x.full(name)) }

// Entries gives all entries below the root. A name comes as often as it is in the tar.
func (x *Index) Entries() iter.Seq2[string, Entry] { return x.below("", true) }

// Below gives everything below a directory, with names relative to that. A name comes once, with its first
// entry. The directory "" is the root.
func (x *Index) Below(dir string) iter.Seq2[string, Entry] { return x.below(dir, false) }

func (x *Index) below(dir string, repeats bool) iter.Seq2[string, Entry] {
	prefix := strings.TrimPrefix(path.Join(x.root, dir)+"/", "/")
	return func(yield func(string, Entry) bool) {
		for name, e := range x.entries.each(repeats) {
			if short, ok := strings.CutPrefix(name, prefix); ok && !yield(short, e) {
				return
			}
		}
	}
}

// Around lists the directories that all files are in, from the root inwards: "", "a", "a/b". It ends after
// sixteen. What macOS adds to archives on its own does not count as a file.
func (x *Index) Around() []string {
	all := []string{""}
	for dir := ""; len(all) <= maxAround; all = append(all, dir) {
		only := x.onlyDir(dir)
		if only == "" {
			break
		}
		dir = path.Join(dir, only)
	}
	return all
}

// onlyDir is the one directory in dir that has all files of dir in it, or "".
func (x *Index) onlyDir(dir string) string {
	only := ""
	for name, e := range x.Below(dir) {
		base := path.Base(name)
		if e.isDir() || strings.HasPrefix(base, "._") || base == ".DS_Store" {
			continue
		}
		first, _, ok := strings.Cut(name, "/")
		if !ok || only != "" && only != first {
			return ""
		}
		only = first
	}
	return only
}

// Trail gives a cleaned name and, if it is a link, the names that it leads to, one after another.
func (x *Index) Trail(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for range maxLinks {
			if !yield(name) {
				return
			}
			next, isLink := x.linked(name)
			if !isLink {
				return
			}
			name = next
		}
	}
}

// linked is the name that a link leads to.
func (x *Index) linked(name string) (target string, isLink bool) {
	for e := range x.all(name) {
		if e.isLink() {
			return x.target(name, e), true
		}
	}
	return "", false
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
