package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"drayage/internal/marks"
)

// Resumable is an [Output] that consists of parts. An earlier run that was broken off may have left
// something of each. A file beside the partial one, NAME.partial.marks, says what: see package marks.
type Resumable struct {
	*Output
	file *os.File // of marks
	set  *marks.Set
}

// WorthKeeping is from how many bytes on it is better to leave something behind than to begin again.
const WorthKeeping = 1 << 20

// ResumeOutput begins the file at path as CreateOutput does, without losing what an earlier run has left
// there. The caller ends it with Commit, Abort or Keep.
func ResumeOutput(path string) (*Resumable, error) {
	o, err := newOutput(path)
	if err != nil {
		return nil, err
	}
	r := &Resumable{Output: o}
	if fi, err := o.root.Lstat(o.marks()); err == nil && !fi.Mode().IsRegular() {
		o.end()
		return nil, fmt.Errorf("%s.marks: not a regular file", o.Partial())
	}
	if r.file, err = o.root.OpenFile(o.marks(), os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		o.end()
		return nil, fmt.Errorf("%s: %w", o.path, Cause(err))
	}
	return r, nil
}

// Begin says what is going to be written: the sizes of the parts, in bytes, and a plan that stands for all
// else that decides what is in the file. What an earlier run with the same plan and sizes has left stays.
// Anything else is removed.
func (r *Resumable) Begin(plan []byte, sizes []int64) error {
	set, err := marks.New(r.file, plan, sizes...)
	if err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	r.set = set
	if set.Found() {
		return nil
	}
	return errors.Join(r.file.Truncate(0), r.Truncate(0), set.Begin())
}

// Part returns the part with a number, which begins at off, after Begin.
func (r *Resumable) Part(number int, off int64) *marks.Part { return r.set.Part(number, r, off) }

// Keep ends the output and leaves what is there for another run. If that is too little, or no other run would
// find it, Keep is Abort and returns false.
func (r *Resumable) Keep() bool {
	if r.done || r.own || r.set == nil || r.set.Sum() < WorthKeeping {
		r.Abort()
		return false
	}
	r.file.Close()
	r.end()
	return true
}

// Commit makes the content durable and gives the file its name, replacing what had it.
func (r *Resumable) Commit() error {
	r.file.Close() // an open file cannot be removed everywhere
	return r.Output.Commit()
}

// Abort removes what has been written. After Commit or Keep it does nothing.
func (r *Resumable) Abort() {
	r.file.Close()
	r.Output.Abort()
}

// Left tells how many bytes an earlier run has left of each part of the file at path, if it had the same plan
// and sizes, as Begin takes them. It changes nothing.
func Left(path string, plan []byte, sizes []int64) []int64 {
	path, err := target(path)
	if err != nil {
		return nil
	}
	partial := filepath.Join(filepath.Dir(path), PartialName(filepath.Base(path)))
	if fi, err := os.Lstat(partial + ".marks"); err != nil || !fi.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(partial + ".marks")
	if err != nil {
		return nil
	}
	defer f.Close()
	set, err := marks.New(f, plan, sizes...)
	if fi, serr := os.Stat(partial); err != nil || serr != nil || !fi.Mode().IsRegular() || !set.Found() {
		return nil
	}
	left := make([]int64, len(sizes))
	for i := range sizes {
		left[i] = marks.Sum(set.Part(i, nil, 0).Held())
	}
	return left
}

// Writable returns the error with which CreateOutput would refuse a path for what is there. It makes nothing.
func Writable(path string) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	if _, err := replaced(path); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	return root.Close()
}

// InOrder reports whether what is at path cannot be written out of order: a device or a named pipe.
func InOrder(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) != 0
}
