package durable

import (
	"errors"
	"fmt"
	"os"

	"drayage/internal/marks"
)

// Resumable is an [Output] that consists of parts. An earlier run that was broken off may have left
// something of each. A file beside the partial one, NAME.partial.marks, says what: see package marks.
type Resumable struct {
	*Output
	file *os.File // of marks
	set  *marks.Set
}

// worthKeeping is from how many bytes on it is better to leave something behind than to begin again.
const worthKeeping = 1 << 20

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
	if r.done || r.own || r.set == nil || r.set.Sum() < worthKeeping {
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
