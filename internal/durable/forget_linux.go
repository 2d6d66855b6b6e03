package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// Forget lets the system forget what it holds of a file in memory, so that what is read next comes from the
// disk. What has not been synced stays. It is no promise.
func Forget(f *os.File) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _ = unix.Fadvise(int(fd), 0, 0, unix.FADV_DONTNEED) })
	}
}
