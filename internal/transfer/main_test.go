package transfer_test

import (
	"bytes"
	"errors"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// blob makes n bytes that do not repeat, the same ones each time, and their descriptor.

// file is a transfer.File in memory that grows as it is written.
type file struct{ data []byte }

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
