//go:build linux || darwin || freebsd

package durable

import "golang.org/x/sys/unix"

// Free is how many bytes the file system of a directory has left for this process. It is negative if that
// is not known.
func Free(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return -1, err
	}
	if s.Blocks == 0 {
		return -1, nil // as some network and user space file systems answer
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
