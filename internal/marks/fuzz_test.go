package marks_test

import (
	"bytes"
	"strings"
	"testing"

	"drayage/internal/marks"
)

// FuzzMarks checks that whatever a file of marks holds, what is said to be there of a part is marked,
// inside the part and in order, and that only marks of the same plan count.
func FuzzMarks(f *testing.F) {
	plan := []byte("plan")
	header := "drayage marks 1\nplan"
	f.Add([]byte(header+"\x01\x01\x01\x00\x01"), []byte{2, 3})
	f.Add([]byte(header+"\x01\x01\x00\x01"), []byte{4})
	f.Add([]byte(header+"\xff\x01\x02"), []byte{2, 1})
	f.Add([]byte(header+"\x01\x01"), []byte{3})
	f.Add([]byte("drayage marks 1\nplot\x01"), []byte{1})
	// of an earlier version
	f.Add([]byte("plan\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00"), []byte{200, 100})
	f.Add([]byte("pla"), []byte{})
	f.Add([]byte(nil), []byte{1})
	f.Fuzz(func(t *testing.T, left []byte, blocks []byte) {
		file := newFile(t)
		if _, err := file.Write(left); err != nil {
			t.Fatal(err)
		}
		var sizes []int64
		length := len(header)
		for i, n := range blocks {
			sizes = append(sizes, max(int64(n)*block-int64(i%2), 0))
			length += int(n)
		}
		s, err := marks.New(file, plan, sizes...)
		if err != nil {
			t.Fatal(err)
		}
		ours := len(left) == length && strings.HasPrefix(string(left), header)
		if s.Found() != ours {
			t.Fatalf("%q of %v is found: %v", left, sizes, !ours)
		}
		if !ours {
			if err := s.Begin(); err != nil || !s.Found() || s.Sum() != 0 {
				t.Fatalf("begun: %d bytes, %v", s.Sum(), err)
			}
			return
		}
		at := len(header)
		for i, n := range blocks {
			held := s.Part(i, nil, 0).Held()
			want := bytes.Count(left[at:at+int(n)], []byte{1})
			if !marks.Ordered(held, sizes[i]) || count(held) != want {
				t.Fatalf("%q is read as %v", left, held)
			}
			at += int(n)
		}
	})
}

// count is how many blocks there are.
func count(spans []marks.Span) (n int) {
	for _, s := range spans {
		n += int((s.End - s.Off + block - 1) / block)
	}
	return n
}
