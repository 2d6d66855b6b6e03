package durable

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"

	"drayage/internal/marks"
)

// Resumable is an [Output] that is made of parts, of each of which an earlier run that was broken off may have left something. A file
// beside it, NAME.partial.marks, tells what: it outlives the process, but not surely a power cut, so that the parts are to be verified.
type Resumable struct {
	*Output
	marks *os.File
	block int64
	parts []*marks.Map

	mu   sync.Mutex
	kept int64   // the sum of all that is marked
	each []int64 // of each part
}

// worthKeeping is from how many bytes on it is better to leave something behind than to begin again.
const worthKeeping = 1 << 20

// maxParts and maxTotal bound the file of marks.
const (
	maxParts = 1 << 20
	maxTotal = 1 << 52
)

// marksHeader begins a file of marks; the plan follows, then the marks of each part.
const marksHeader = "drayage marks 1\n"

// ResumeOutput begins the file at path as CreateOutput does, without losing what an earlier call has left there. The caller
// ends it with Commit, Abort or Keep.
func ResumeOutput(path string) (*Resumable, error) {
	o, err := newOutput(path)
	if err != nil {
		return nil, err
	}
	r := &Resumable{Output: o}
	if fi, err := o.root.Lstat(o.marks()); err == nil && !fi.Mode().IsRegular() {
		o.close()
		return nil, fmt.Errorf("%s.partial.marks: not a regular file", o.path)
	}
	if r.marks, err = o.root.OpenFile(o.marks(), os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		o.close()
		return nil, fmt.Errorf("%s: %w", o.path, cause(err))
	}
	return r, nil
}

// Begin returns what there is of each of the parts, whose sizes are given: nothing, unless the file was begun with the same plan and sizes,
// in which case what is in it stays.
func (r *Resumable) Begin(plan []byte, sizes []int64) ([][]marks.Span, error) {
	header := append([]byte(marksHeader), plan...)
	length, err := r.layOut(int64(len(header)), sizes)
	if err != nil {
		return nil, err
	}
	held := make([][]marks.Span, len(sizes))
	if !r.begunWith(header, length) {
		return held, r.beginNew(header, length)
	}
	for i, p := range r.parts {
		held[i] = p.Spans()
		r.each[i] = marks.Sum(held[i])
		r.kept += r.each[i]
	}
	return held, nil
}

// layOut gives the marks of each part their place, from an offset on. It returns the length of the file of marks.
func (r *Resumable) layOut(at int64, sizes []int64) (length int64, err error) {
	total := int64(0)
	for _, n := range sizes {
		if n < 0 || n > maxTotal-total {
			return 0, fmt.Errorf("%s: its parts are too large", r.path)
		}
		total += n
	}
	if len(sizes) > maxParts {
		return 0, fmt.Errorf("%s: %d parts are too many", r.path, len(sizes))
	}
	r.block, r.each, r.parts = marks.Block(total), make([]int64, len(sizes)), nil
	for _, n := range sizes {
		p := marks.New(r.marks, at, n, r.block)
		r.parts = append(r.parts, p)
		at += p.Len()
	}
	return at, nil
}

// begunWith reports whether the marks are those of a run with the same plan.
func (r *Resumable) begunWith(header []byte, length int64) bool {
	fi, err := r.marks.Stat()
	if err != nil || fi.Size() != length {
		return false
	}
	found := make([]byte, len(header))
	n, _ := r.marks.ReadAt(found, 0)
	return n == len(header) && bytes.Equal(found, header)
}

func (r *Resumable) beginNew(header []byte, length int64) error {
	if err := errors.Join(r.marks.Truncate(0), r.Truncate(0), r.marks.Truncate(length)); err != nil {
		return err
	}
	_, err := r.marks.WriteAt(header, 0)
	return err
}

// Block is the length of the pieces in which parts are remembered, after Begin.
func (r *Resumable) Block() int64 { return r.block }

// Mark remembers that what lies between from and to of a part is written, as [marks.Map.Mark] has it. It may be called concurrently
// for different parts and blocks.
func (r *Resumable) Mark(part int, from, to int64) error {
	if err := r.parts[part].Mark(from, to); err != nil {
		return err
	}
	r.add(part, to-from)
	return nil
}

// Forget takes the marks of a part away.
func (r *Resumable) Forget(part int) error {
	r.mu.Lock()
	n := r.each[part]
	r.mu.Unlock()
	r.add(part, -n)
	return r.parts[part].Forget()
}

func (r *Resumable) add(part int, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.each[part] += n
	r.kept += n
}

// Keep ends the output and leaves what is there for another run. It reports whether there is anything worth that.
func (r *Resumable) Keep() bool {
	r.mu.Lock()
	worth := r.kept >= worthKeeping
	r.mu.Unlock()
	if r.done || !worth {
		r.Abort()
		return false
	}
	r.marks.Close()
	r.end()
	return true
}

// Commit makes the content durable and gives the file its name, replacing what had it.
func (r *Resumable) Commit() error {
	r.marks.Close() // an open file cannot be removed everywhere
	return r.Output.Commit()
}

// Abort removes what has been written. After Commit or Keep it does nothing.
func (r *Resumable) Abort() {
	r.marks.Close()
	r.Output.Abort()
}
