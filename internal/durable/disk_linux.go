package durable

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// maxFile is how large a file in dir may be. USB sticks have FAT, whose limit would be met after hours.
func maxFile(dir string) int64 {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err == nil && s.Type == unix.MSDOS_SUPER_MAGIC {
		return math.MaxUint32
	}
	return math.MaxInt64
}

// startWriteback begins to write a part of f to the disk. It waits only if the disk has more to do than it
// can queue. The sync at the end meets the errors too.
func startWriteback(f *os.File, off, n int64) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _ = unix.SyncFileRange(int(fd), off, n, unix.SYNC_FILE_RANGE_WRITE) })
	}
}
