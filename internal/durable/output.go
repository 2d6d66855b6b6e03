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

// Output is a file that is being made. It is written as NAME.partial beside its final name, which Commit gives it. A
// second process that makes the same file is refused.
type Output struct {
	File
	root *os.Root
	name string
	path string
	done bool
}

// CreateOutput begins the file at path. Links are followed, so that what they point to is replaced. The caller ends it
// with Commit or Abort.
func CreateOutput(path string) (*Output, error) {
	o, err := newOutput(path)
	if err != nil {
		return nil, err
	}
	o.root.Remove(o.marks()) // of an earlier, resumable run: its parts are going to be overwritten
	if err := o.Truncate(0); err != nil {
		o.close()
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

// marks is the file beside the partial one that a [Resumable] has.
func (o *Output) marks() string { return o.partial() + ".marks" }

// maxLost is how often the partial file may turn out to have been renamed or removed since it was opened. Where the file
// system cannot tell files apart it would go on for ever.
const maxLost = 100

func (o *Output) open() (*os.File, error) {
	for range maxLost {
		if fi, err := o.root.Lstat(o.partial()); err == nil && !fi.Mode().IsRegular() {
			return nil, fmt.Errorf("%s.partial: not a regular file", o.path)
		}
		f, err := o.root.OpenFile(o.partial(), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.path, cause(err))
		}
		if err := filelock.TryLock(f); err != nil {
			f.Close()
			return nil, fmt.Errorf("%s: %w", o.path, err)
		}
		if !o.isPartial(f) {
			f.Close() // whoever had it has given it its final name, or removed it, since it was opened
			continue
		}
		return f, nil
	}
	return nil, fmt.Errorf("%s: the file system does not tell its partial file from others", o.path)
}

// isPartial reports whether f is what the partial name means.
func (o *Output) isPartial(f *os.File) bool {
	opened, err1 := f.Stat()
	named, err2 := o.root.Lstat(o.partial())
	return err1 == nil && err2 == nil && os.SameFile(opened, named)
}

// cause drops the path of a PathError, which is named already.
func cause(err error) error {
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
	o.close()
}

func (o *Output) close() {
	o.File.Close()
	o.root.Close()
}
