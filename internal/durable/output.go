package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"drayage/internal/filelock"
)

// Output is a file that is being made. It is written as NAME.partial beside its final name, which Commit
// gives it. A second process that makes the same file is refused.
type Output struct {
	File
	root *os.Root
	name string
	path string
	done bool
}

// CreateOutput begins the file at path. It follows links: what they point to is replaced. The caller ends
// the output with Commit or Abort.
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

// newOutput opens and locks the partial file as it is.
func newOutput(path string) (*Output, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	o := &Output{root: root, name: filepath.Base(path), path: path}
	if o.File.File, err = o.open(); err != nil {
		root.Close()
		return nil, err
	}
	return o, nil
}

func (o *Output) partial() string { return o.name + ".partial" }

// marks is the name of the file of marks that a [Resumable] has.
func (o *Output) marks() string { return o.partial() + ".marks" }

// MaxLost is how often [OpenLocked] may lose a partial file to another process, which has finished it. Where
// the file system cannot tell files apart it would go on for ever.
const MaxLost = 100

func (o *Output) open() (*os.File, error) {
	for range MaxLost {
		f, err := OpenLocked(o.root, o.partial(), 0o644, filelock.TryLock)
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
// locked.
func OpenLocked(root *os.Root, name string, perm os.FileMode, lock func(*os.File) error) (*os.File, error) {
	if fi, err := root.Lstat(name); err == nil && !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, perm)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
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

// Cause drops the path of a PathError, for callers that have named it already.
func Cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Commit makes the content durable and gives the file its name, replacing what had it.
func (o *Output) Commit() error {
	if err := o.Sync(); err != nil {
		o.Abort()
		return err
	}
	if runtime.GOOS == "windows" { // an open file cannot be renamed there
		o.File.Close()
	}
	if err := Replace(o.root, o.partial(), o.name); err != nil {
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
		o.root.Remove(o.partial())
		o.root.Remove(o.marks())
		o.end()
	}
}

func (o *Output) end() {
	o.done = true
	o.File.Close()
	o.root.Close()
}
