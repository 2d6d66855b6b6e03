package marks_test

import (
	"bytes"
	"testing"

	"drayage/internal/marks"
)

// memory is a file of marks that somebody else has written.
type memory struct{ *bytes.Reader }

func (memory) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// FuzzSpans checks that whatever a file of marks holds, what is read of it is in order, inside the blob, a bounded number, and marked.
func FuzzSpans(f *testing.F) {
	f.Add([]byte{1, 1, 0, 1}, int64(0), int64(4*block))
	f.Add([]byte{1, 1, 0, 1}, int64(1), int64(3*block-1))
	f.Add([]byte{1}, int64(0), int64(1)<<50)
	f.Add([]byte{0xff, 2, 1}, int64(9), int64(0))
	f.Add(bytes.Repeat([]byte{1, 0}, 5000), int64(0), int64(1)<<40)
	f.Fuzz(func(t *testing.T, raw []byte, at, size int64) {
		if at < 0 || at > 1<<20 || size < 0 || size > 1<<50 {
			return
		}
		b := marks.Block(size)
		spans := marks.New(memory{bytes.NewReader(raw)}, at, size, b).Spans()
		if !marks.Ordered(spans, size) || len(spans) > 4096 {
			t.Fatalf("%d spans %v", len(spans), spans)
		}
		for _, s := range spans {
			for off := s.Off; off < s.End; off += b {
				if i := at + off/b; i >= int64(len(raw)) || raw[i] != 1 {
					t.Fatalf("%v is not marked", s)
				}
			}
		}
	})
}
