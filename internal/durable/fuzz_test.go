package durable_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drayage/internal/durable"
	"drayage/internal/marks"
)

// FuzzMarks checks that whatever a file of marks holds, what is said to be there of a part is inside it and in order, and only marks of the same
// plan count.
func FuzzMarks(f *testing.F) {
	const block = 64 << 10
	plan := []byte("plan")
	header := "drayage marks 1\nplan"
	f.Add([]byte(header+"\x01\x01\x01\x00\x01"), []byte{2, 3})
	f.Add([]byte(header+"\x01\x01\x00\x01"), []byte{4})
	f.Add([]byte(header+"\xff\x01\x02"), []byte{2, 1})
	f.Add([]byte(header+"\x01\x01"), []byte{3})
	f.Add([]byte("drayage marks 1\nplot\x01"), []byte{1})
	f.Add([]byte("plan\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00"), []byte{200, 100}) // of an earlier version
	f.Add([]byte("pla"), []byte{})
	f.Add([]byte(nil), []byte{1})
	f.Fuzz(func(t *testing.T, left []byte, blocks []byte) {
		path := filepath.Join(t.TempDir(), "out.tar")
		if err := os.WriteFile(path+".partial.marks", left, 0o600); err != nil {
			t.Fatal(err)
		}
		var sizes []int64
		length := len(header)
		for i, n := range blocks {
			sizes = append(sizes, max(int64(n)*block-int64(i%2), 0))
			length += int(n)
		}
		o, err := durable.ResumeOutput(path)
		if err != nil {
			t.Fatal(err)
		}
		defer o.Abort()
		held, err := o.Begin(plan, sizes)
		if err != nil || len(held) != len(sizes) || o.Block() != block {
			t.Fatalf("%v, %v", held, err)
		}
		ours := len(left) == length && strings.HasPrefix(string(left), header)
		for i, spans := range held {
			if !marks.Ordered(spans, sizes[i]) || !ours && len(spans) > 0 {
				t.Fatalf("%q is read as %v", left, held)
			}
		}
		if ours && marked(held) != bytes.Count(left[len(header):], []byte{1}) {
			t.Fatalf("%q is read as %v", left, held)
		}
		checkMarked(t, o, path, plan, sizes)
	})
}

// marked is how many blocks there are.
func marked(held [][]marks.Span) (n int) {
	for _, spans := range held {
		for _, s := range spans {
			n += int((s.End - s.Off + 64<<10 - 1) / (64 << 10))
		}
	}
	return n
}

// checkMarked marks the end of each part and nothing else, and reads it again.
func checkMarked(t *testing.T, o *durable.Resumable, path string, plan []byte, sizes []int64) {
	t.Helper()
	want := make([][]marks.Span, len(sizes))
	total := int64(0)
	for i, n := range sizes {
		from := n * 2 / 3 / o.Block() * o.Block()
		if err := o.Forget(i); err != nil {
			t.Fatal(err)
		}
		if err := o.Mark(i, from, n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			want[i] = []marks.Span{{Off: from, End: n}}
		}
		total += n - from
	}
	if worth := total >= 1<<20; o.Keep() != worth || !worth {
		return
	}
	o, err := durable.ResumeOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Abort()
	if again, err := o.Begin(plan, sizes); err != nil || !slices.EqualFunc(again, want, slices.Equal) {
		t.Fatalf("marked %v, read %v, %v", want, again, err)
	}
}

// A plan whose marks would have no end is refused.
func TestMarksAreBounded(t *testing.T) {
	for name, sizes := range map[string][]int64{"sizes": {1 << 50, 1 << 50, 1 << 50, 1 << 50, 1}, "below zero": {-1}, "parts": make([]int64, 1<<20+1)} {
		o, err := durable.ResumeOutput(filepath.Join(t.TempDir(), "out.tar"))
		if err != nil {
			t.Fatal(err)
		}
		defer o.Abort()
		if _, err := o.Begin(nil, sizes); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
