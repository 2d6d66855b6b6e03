package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback begins to write a part of f to the disk. It waits only if the disk has more to do than it
// can queue. The sync at the end meets the errors too.
func startWriteback(f *os.File, off, n int64) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _ = unix.SyncFileRange(int(fd), off, n, unix.SYNC_FILE_RANGE_WRITE) })
	}
}
