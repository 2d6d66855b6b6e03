package durable

import (
	"math"

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
