package cut_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"drayage/internal/cut"
	"drayage/internal/marks"
)

// A run goes on with what an earlier one has left, unless it would write something else.
func TestResume(t *testing.T) {
	dir, data := t.TempDir(), content(5*mib)
	path := filepath.Join(dir, "x.tar")
	begin := func(vol int64) (*cut.Resumable, int64) {
		t.Helper()
		r, err := cut.Resume(path, cut.Options{Volume: vol})
		if err == nil {
			t.Cleanup(r.Abort)
			err = r.Begin([]byte("plan"), []int64{5 * mib})
		}
		if err == nil {
			err = r.Truncate(5 * mib)
		}
		if err != nil {
			t.Fatal(err)
		}
		return r, marks.Sum(r.Part(0, 0).Held())
	}
	r, held := begin(2 * mib)
	p := r.Part(0, 0)
	_, err := p.WriteAt(data[:3*mib], 0)
	if err := errors.Join(err, p.Mark(0, 3*mib)); err != nil || held != 0 || !r.Keep() {
		t.Fatal(held, err)
	}
	if left := cut.Left(path, 2*mib, []byte("plan"), []int64{5 * mib}); len(left) != 1 || left[0] != 3*mib {
		t.Error(left)
	}
	if left := cut.Left(path, mib, []byte("plan"), []int64{5 * mib}); left != nil {
		t.Error("with other volumes:", left)
	}
	r, held = begin(2 * mib)
	back := make([]byte, 3*mib)
	if _, err := r.ReadAt(back, 0); err != nil || held != 3*mib || !bytes.Equal(back, data[:3*mib]) {
		t.Error(held, err)
	}
	if !r.Keep() {
		t.Error("not kept once more")
	}
	r, held = begin(3 * mib) // volumes of another size: begun anew
	if held != 0 {
		t.Error("of other volumes", held, "bytes are there")
	}
	_, err = r.WriteAt(data, 0)
	err = errors.Join(err, r.Finish(t.Context()), r.Commit())
	r.Abort()
	if err != nil {
		t.Fatal(err)
	}
	check(t, dir, 3*mib, data)
}
