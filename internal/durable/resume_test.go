package durable_test

import (
	"path/filepath"
	"slices"
	"testing"

	"drayage/internal/durable"
	"drayage/internal/marks"
)

// resume opens the output again and returns what is there of its parts.
func resume(t *testing.T, path, plan string, sizes ...int64) (*durable.Resumable, [][]marks.Span) {
	t.Helper()
	o, err := durable.ResumeOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Abort)
	if err := o.Begin([]byte(plan), sizes); err != nil {
		t.Fatal(err)
	}
	var held [][]marks.Span
	off := int64(0)
	for i, n := range sizes {
		held = append(held, o.Part(i, off).Held())
		off += n
	}
	return o, held
}

func TestResume(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.tar")
	o, _ := resume(t, path, "plan", 3<<20, 1<<20)
	p := o.Part(0, 0)
	if _, err := p.WriteAt(make([]byte, 1<<20), 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := p.Mark(1<<20, 2<<20); err != nil {
		t.Fatal(err)
	}
	if !o.Keep() {
		t.Fatal("a MiB is not worth keeping")
	}
	o, held := resume(t, path, "plan", 3<<20, 1<<20)
	if !slices.Equal(held[0], []marks.Span{{Off: 1 << 20, End: 2 << 20}}) || held[1] != nil {
		t.Errorf("%v is there", held)
	}
	if !o.Keep() || o.Keep() {
		t.Error("a MiB is not kept once")
	}
	o, held = resume(t, path, "another plan", 3<<20, 1<<20)
	if fi, err := o.Stat(); err != nil || held[0] != nil || fi.Size() != 0 {
		t.Errorf("of another plan %v is there, %v", held, err)
	}
	if o.Keep() {
		t.Error("nothing is worth keeping")
	}
	check(t, "nothing was kept", tree(t, dir), map[string]string{})
	o, _ = resume(t, path, "plan", 1)
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	check(t, "committed", tree(t, dir), map[string]string{"out.tar": ""})
}
