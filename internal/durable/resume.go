package durable

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync"
)

// Resumable is an [Output] that is made of parts, of each of which the beginning may have been left by an earlier run that was
// broken off. A file beside it, NAME.partial.marks, tells how much: it outlives the process, but not surely a power cut, so
// that the parts are to be verified.
type Resumable struct {
	*Output
	marks *os.File
	plan  int64 // bytes of the plan at the start of the marks

	mu   sync.Mutex
	kept int64 // the sum of all marks
	each []int64
}

// worthKeeping is from how many bytes on it is better to leave something behind than to begin again.
const worthKeeping = 1 << 20

// maxParts bounds the file of marks.
const maxParts = 1 << 20

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

// Begin returns how many bytes from its start each of the parts has: nothing, unless the file was begun with the same plan and number
// of parts, in which case what is in it stays.
func (r *Resumable) Begin(plan []byte, parts int) ([]int64, error) {
	if parts > maxParts {
		return nil, fmt.Errorf("%s: %d parts are too many", r.path, parts)
	}
	r.each, r.plan = make([]int64, parts), int64(len(plan))
	raw, err := io.ReadAll(io.LimitReader(r.marks, int64(len(plan)+8*parts+1)))
	if err != nil {
		return nil, err
	}
	if rest, ours := bytes.CutPrefix(raw, plan); ours && len(rest) == 8*parts {
		for i := range r.each {
			r.each[i] = max(0, int64(binary.LittleEndian.Uint64(rest[8*i:])))
			r.kept += r.each[i]
		}
		return append([]int64(nil), r.each...), nil
	}
	if err := r.Truncate(0); err != nil {
		return nil, err
	}
	fresh := append(append([]byte(nil), plan...), make([]byte, 8*parts)...)
	if err := r.marks.Truncate(0); err != nil {
		return nil, err
	}
	_, err = r.marks.WriteAt(fresh, 0)
	return append([]int64(nil), r.each...), err
}

// Mark remembers that the first n bytes of a part are written. It may be called concurrently for different parts.
func (r *Resumable) Mark(part int, n int64) error {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	if _, err := r.marks.WriteAt(b[:], r.plan+8*int64(part)); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept += n - r.each[part]
	r.each[part] = n
	return nil
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
