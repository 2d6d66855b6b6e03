package durable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
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

// Only where this process can change nothing may it do without a lock.
func TestUnwritable(t *testing.T) {
	for _, err := range []error{syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.ENOENT, fs.ErrPermission} {
		if !durable.Unwritable(fmt.Errorf("d.tar: %w", err)) {
			t.Errorf("%v: something can be written there", err)
		}
	}
	for _, err := range []error{nil, syscall.EIO, syscall.ENOSPC, syscall.ENOTDIR, errors.New("x")} {
		if durable.Unwritable(err) {
			t.Errorf("%v: nothing can be written there", err)
		}
	}
}

// The disk is not full before anything is written, and sizes have one unit.
func TestRoomErrorIsOneSentence(t *testing.T) {
	dir := t.TempDir()
	free, err := durable.Free(dir)
	if err != nil || free < 0 {
		t.Skip("the file system does not tell")
	}
	err = durable.Room(dir, math.MaxInt64, 1)
	text := err.Error()
	if !errors.Is(err, syscall.ENOSPC) ||
		!strings.HasPrefix(text, dir+": not enough space: 9.2 EB are needed, ") ||
		!strings.HasSuffix(text, "B are free") || strings.Contains(text, "no space left") {
		t.Error(text)
	}
	if hint := durable.DiskHint(err); hint != "free some space and run the same command again" {
		t.Error(hint)
	}
	err = &durable.RoomError{Text: "x", Hint: "y", Err: syscall.ENOSPC}
	if durable.DiskHint(fmt.Errorf("a: %w", err)) != "y" || !durable.DiskFailed(err) {
		t.Error("the hint of the error itself is lost")
	}
}
