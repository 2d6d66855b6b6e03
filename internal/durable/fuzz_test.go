package durable_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"drayage/internal/durable"
)

// FuzzMarks checks that whatever a file of marks holds, no part has less than nothing, and only marks of the same plan count.
func FuzzMarks(f *testing.F) {
	plan := []byte("plan")
	f.Add([]byte("plan\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00"), 2)
	f.Add([]byte("plan\xff\xff\xff\xff\xff\xff\xff\xff"), 1)
	f.Add([]byte("plan\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x7f"), 2)
	f.Add([]byte("pla"), 0)
	f.Add([]byte("other plan"), 3)
	f.Add([]byte(nil), 1)
	f.Fuzz(func(t *testing.T, marks []byte, parts int) {
		if parts < 0 || parts > 100 {
			return
		}
		path := filepath.Join(t.TempDir(), "out.tar")
		if err := os.WriteFile(path+".partial.marks", marks, 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := durable.ResumeOutput(path)
		if err != nil {
			t.Fatal(err)
		}
		defer o.Abort()
		held, err := o.Begin(plan, parts)
		if err != nil || len(held) != parts {
			t.Fatalf("%v, %v", held, err)
		}
		ours := len(marks) == len(plan)+8*parts && string(marks[:len(plan)]) == string(plan)
		for _, n := range held {
			if n < 0 || n > 0 && !ours {
				t.Fatalf("%q is read as %v", marks, held)
			}
		}
		for i := range held {
			held[i] = int64(i) << 20
			if err := o.Mark(i, held[i]); err != nil {
				t.Fatal(err)
			}
		}
		if worth := parts > 1; o.Keep() != worth || !worth {
			return
		}
		if o, err = durable.ResumeOutput(path); err != nil {
			t.Fatal(err)
		}
		defer o.Abort()
		if again, err := o.Begin(plan, parts); err != nil || !slices.Equal(again, held) {
			t.Fatalf("marked %v, read %v, %v", held, again, err)
		}
	})
}
