package durable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"drayage/internal/durable"
)

func TestDiskFailed(t *testing.T) {
	for _, c := range []struct {
		err          error
		failed, hint bool
	}{
		{syscall.ENOSPC, true, true}, {syscall.EFBIG, true, true}, {syscall.EROFS, true, false}, {syscall.EIO,
			true, false},
		{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, true, true},
		{fmt.Errorf("layout: %w", errors.Join(errors.New("x"), syscall.ENOSPC)), true, true},
		{syscall.ENOENT, false, false}, {syscall.EACCES, false, false}, {fs.ErrNotExist, false,
			false}, {errors.New("no space left on device"), false, false}, {nil, false, false},
	} {
		if got := durable.DiskFailed(c.err); got != c.failed {
			t.Errorf("DiskFailed(%v) = %v", c.err, got)
		}
		if got := durable.DiskHint(c.err); (got != "") != c.hint {
			t.Errorf("DiskHint(%v) = %q", c.err, got)
		}
	}
}
