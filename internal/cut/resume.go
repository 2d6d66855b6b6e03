package cut

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"drayage/internal/durable"
	"drayage/internal/marks"
)

// Resumable is a [Writer] that goes on with what an earlier run has left, as a durable.Resumable does. Marks
// beside the first volume say what that is.
type Resumable struct {
	*Writer
	marks *os.File
	held  *marks.Set
}

// Resume begins the archive at path as Create does, without losing what an earlier run has left. The caller
// ends it with Finish and Commit, or with Keep, and with Abort in any case.
func Resume(path string, opts Options) (*Resumable, error) {
	w, err := begin(path, opts)
	if err != nil {
		return nil, err
	}
	r := &Resumable{Writer: w}
	name := marksPath(path)
	if fi, err := os.Lstat(name); err == nil && !fi.Mode().IsRegular() {
		w.Abort()
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	if r.marks, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		w.Abort()
		return nil, err
	}
	return r, nil
}

func marksPath(path string) string {
	return filepath.Join(filepath.Dir(path), durable.PartialName(filepath.Base(path))+".marks")
}

// Begin says what is going to be written, as durable.Resumable has it.
func (r *Resumable) Begin(plan []byte, sizes []int64) error {
	set, err := marks.New(r.marks, stamp(plan, r.volume), sizes...)
	if err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	r.held = set
	if set.Found() {
		return nil
	}
	return errors.Join(r.marks.Truncate(0), r.Truncate(0), set.Begin())
}

// stamp adds the size of volumes to a plan.
func stamp(plan []byte, volume int64) []byte {
	return binary.LittleEndian.AppendUint64(append([]byte(nil), plan...), uint64(volume))
}

// Part returns the part with a number, which begins at off, after Begin.
func (r *Resumable) Part(number int, off int64) *marks.Part { return r.held.Part(number, r, off) }

// Room fails if there is no room for rest more bytes.
func (r *Resumable) Room(rest int64) error { return r.fits(rest+r.held.Sum(), rest) }

// Partial is what the first volume is called meanwhile.
func (r *Resumable) Partial() string { return filepath.Join(r.dir(0), partialName(r.name, 0)) }

// Shared reports whether another run finds again what this one leaves. Before there is a volume, nothing
// stands against it.
func (r *Resumable) Shared() bool { return len(r.files) == 0 || r.files[0].Shared() }

// Keep ends the archive and leaves what is there for another run. If that is too little, or no other run
// would find it, Keep is Abort and returns false.
func (r *Resumable) Keep() bool {
	if !r.Shared() || r.held == nil || r.held.Sum() < durable.WorthKeeping {
		r.Abort()
		return false
	}
	r.marks.Close()
	for _, f := range r.files {
		if f != nil {
			f.Leave()
		}
	}
	for _, f := range r.parity {
		f.Abort()
	}
	r.files, r.parity = nil, nil
	r.hold.Release()
	return true
}

// Commit gives all files their names, as [Writer.Commit] does.
func (r *Resumable) Commit() error {
	r.marks.Close()
	err := r.Writer.Commit()
	if err == nil {
		os.Remove(r.marks.Name())
	}
	return err
}

// Abort removes what has been written. After Commit or Keep it does nothing.
func (r *Resumable) Abort() {
	r.marks.Close()
	if r.files != nil {
		os.Remove(r.marks.Name())
	}
	r.Writer.Abort()
}

// Left tells how many bytes an earlier run has left of each part of the archive at path, if it had the same
// plan, sizes of parts, and size of volumes. It changes nothing.
func Left(path string, volume int64, plan []byte, sizes []int64) []int64 {
	first := filepath.Join(filepath.Dir(path), partialName(filepath.Base(path), 0))
	if fi, err := os.Lstat(first); err != nil || !fi.Mode().IsRegular() {
		return nil
	}
	f, err := os.Open(marksPath(path))
	if err != nil {
		return nil
	}
	defer f.Close()
	set, err := marks.New(f, stamp(plan, volume), sizes...)
	if err != nil || !set.Found() {
		return nil
	}
	left := make([]int64, len(sizes))
	for i := range sizes {
		left[i] = marks.Sum(set.Part(i, nil, 0).Held())
	}
	return left
}
