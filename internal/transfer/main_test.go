package transfer_test

import (
	"bytes"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"drayage/internal/marks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// file is a transfer.File in memory that grows as it is written. Nothing is remembered of it.
type file struct {
	data []byte
	held []marks.Span
}

func (f *file) Held() []marks.Span    { return f.held }
func (f *file) Block() int64          { return 1 }
func (f *file) Mark(_, _ int64) error { return nil }
func (f *file) Forget() error         { return nil }

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(f.data).ReadAt(p, off)
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if grow := int(off) + len(p) - len(f.data); grow > 0 {
		f.data = append(f.data, make([]byte, grow)...)
	}
	return copy(f.data[off:], p), nil
}

var errGone = errors.New("404 not found")
