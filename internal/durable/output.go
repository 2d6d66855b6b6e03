package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/internal/filelock"
)

// Output is a file that is being made. It is written as NAME.partial beside its final name, which Commit
// gives it. A second process that makes the same file is refused. Where there are no locks, each process has
// a partial file of its own instead.
type Output struct {
	File
	root *os.Root
	name string
	tmp  string // its name until Commit
	path string
	old  fs.FileInfo // of the file that is replaced; or nil
	mode os.FileMode // until Commit
	own  bool        // tmp is for this process alone
	done bool
}

// CreateOutput begins the file at path. It follows links, to what is not there yet too: what they point to is
// replaced, and keeps its mode. The caller ends the output with Commit or Abort.
func CreateOutput(path string) (*Output, error) {
	o, err := newOutput(path)
	if err != nil {
		return nil, err
	}
	o.root.Remove(o.marks()) // of an earlier run that could be resumed: this one overwrites its parts
	if err := o.Truncate(0); err != nil {
		o.end()
		return nil, err
	}
	return o, nil
}

// OpenOutput begins one of several files that nobody has named, with what an earlier run has left of it.
// Until Commit or Appear the file is called partial. A link at path is refused: a stranger may have put it
// there.
func OpenOutput(path, partial string) (*Output, error) {
	if fi, err := os.Lstat(path); err == nil && !fi.Mode().IsRegular() {
		return nil, InTheWay(path)
	}
	return outputAt(path, partial)
}

// ReplaceFile writes a small file whole, in the place of what has its name: a link is replaced too. Until
// then its name is that of PartialName, so another run replaces what a killed one has left.
func ReplaceFile(path string, data []byte) error {
	o, err := outputAt(path, "")
	if err != nil {
		return err
	}
	defer o.Abort()
	if err := o.Truncate(0); err != nil {
		return err
	}
	if _, err := o.Write(data); err != nil {
		return err
	}
	return o.Commit()
}

// InTheWay is the error about something that has the name of a file and is none.
func InTheWay(path string) error {
	return fmt.Errorf("%s is in the way: it is no regular file; remove it, or give another name", path)
}

// newOutput begins the file that path leads to, by way of links too.
func newOutput(path string) (*Output, error) {
	path, err := target(path)
	if err != nil {
		return nil, err
	}
	return outputAt(path, "")
}

// outputAt opens and locks the partial file as it is. The name of the file decides on that of the partial one
// if that is empty.
func outputAt(path, partial string) (*Output, error) {
	old, err := replaced(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	o := &Output{root: root, name: filepath.Base(path), path: path, old: old, mode: 0o644}
	if old != nil {
		o.mode = old.Mode().Perm() | 0o600 // another run must be able to go on
	}
	if o.tmp = partial; partial == "" {
		o.tmp = PartialName(o.name)
	}
	if o.File.File, err = o.open(); err != nil {
		root.Close()
		return nil, err
	}
	if old != nil {
		KeepOwner(o.File.File, old)
		_ = o.Chmod(o.mode)
	}
	return o, nil
}

// replaced is the file at path that is replaced, or nil.
func replaced(path string) (fs.FileInfo, error) {
	old, err := os.Stat(path)
	switch {
	case err == nil && !old.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", path)
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	}
	return old, err // with an error it could not get this name in the end
}

// maxLinks is how many links in a row are followed.
const maxLinks = 40

// target follows the links at path, even if the last one leads to nothing yet.
func target(path string) (string, error) {
	for range maxLinks {
		link, err := os.Readlink(path)
		if err != nil {
			return path, nil // it is none
		}
		if !filepath.IsAbs(link) {
			link = filepath.Dir(path) + "/" + link // not cleaned: what ".." means depends on links before it
		}
		dir, name := filepath.Split(link)
		if dir, err = filepath.EvalSymlinks(dir); err != nil {
			return "", err
		}
		path = filepath.Join(dir, name)
	}
	return "", fmt.Errorf("%s: too many links", path)
}

// PartialName is what a file is called until it is whole. It is the same for each run. A long name gets a
// shorter one: file systems end at 255 bytes, some at 143, and partial files and their marks have more.
func PartialName(name string) string {
	if len(name) > 100 {
		name = strings.ToValidUTF8(name[:60], "") + "." + digest.FromString(name).Encoded()[:16]
	}
	return name + ".partial"
}

// Partial is the path of the file until Commit.
func (o *Output) Partial() string { return filepath.Join(filepath.Dir(o.path), o.tmp) }

// Shared reports whether another run finds the partial file again. It does not where there are no locks.
func (o *Output) Shared() bool { return !o.own }

// marks is the name of the file of marks that a [Resumable] has.
func (o *Output) marks() string { return o.tmp + ".marks" }

// MaxLost is how often [OpenLocked] may lose a partial file to another process, which has finished it. Where
// the file system cannot tell files apart it would go on for ever.
const MaxLost = 100

func (o *Output) open() (*os.File, error) {
	for range MaxLost {
		f, err := OpenLocked(o.root, o.tmp, o.mode, filelock.TryLock)
		if errors.Is(err, filelock.ErrUnsupported) {
			o.own = true
			f, o.tmp, err = OpenOwn(o.root, o.tmp, o.mode)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.path, Cause(err))
		}
		if f != nil {
			return f, nil
		}
	}
	return nil, fmt.Errorf("%s: the file system does not tell its partial file from others", o.path)
}

// OpenLocked opens the file with a name in root and locks it by lock. It makes the file, with perm, if there
// is none. It returns no file and no error if another process has renamed or removed the file before it was
// locked. Where there are no locks the error wraps filelock.ErrUnsupported, and [OpenOwn] is what is left.
func OpenLocked(root *os.Root, name string, perm os.FileMode, lock func(*os.File) error) (*os.File, error) {
	if fi, err := root.Lstat(name); err == nil && !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, perm)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		fi, serr := f.Stat()
		f.Close()
		if errors.Is(err, filelock.ErrUnsupported) && serr == nil && fi.Size() == 0 {
			root.Remove(name) // nobody is going to use it
		}
		return nil, err
	}
	opened, err1 := f.Stat()
	named, err2 := root.Lstat(name)
	if err1 != nil || err2 != nil || !os.SameFile(opened, named) {
		f.Close()
		return nil, nil
	}
	return f, nil
}

// OpenOwn makes a file that no other process has, for where there are no locks. It returns its name, which
// begins with the given one.
func OpenOwn(root *os.Root, name string, perm os.FileMode) (*os.File, string, error) {
	own := name + "." + rand.Text()[:13]
	f, err := root.OpenFile(own, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	return f, own, err
}

// Cause drops the path of a PathError, for callers that have named it already.
func Cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Appear gives the file its name, replacing what had it. It is for one of several files that appear together:
// the caller has synced the file, and syncs the directory behind the last of them.
func (o *Output) Appear() error {
	if o.old != nil {
		_ = o.Chmod(o.old.Mode().Perm())
	}
	if runtime.GOOS == "windows" {
		o.File.Close()
	}
	if err := o.root.Rename(o.tmp, o.name); err != nil {
		o.Abort()
		return err
	}
	o.end()
	return nil
}

// Leave ends the output and leaves what has been written, as a run does that is killed.
func (o *Output) Leave() {
	if !o.done {
		o.end()
	}
}

// Commit makes the content durable and gives the file its name, replacing what had it.
func (o *Output) Commit() error {
	if o.old != nil {
		_ = o.Chmod(o.old.Mode().Perm()) // not every file system has modes
	}
	if err := o.Sync(); err != nil {
		o.Abort()
		return err
	}
	if runtime.GOOS == "windows" { // an open file cannot be renamed there
		o.File.Close()
	}
	if err := Replace(o.root, o.tmp, o.name); err != nil {
		o.Abort()
		return err
	}
	o.root.Remove(o.marks())
	o.end()
	return nil
}

// Abort removes what has been written. After Commit it does nothing.
func (o *Output) Abort() {
	if !o.done {
		o.root.Remove(o.tmp)
		o.root.Remove(o.marks())
		o.end()
	}
}

func (o *Output) end() {
	o.done = true
	o.File.Close()
	o.root.Close()
}
