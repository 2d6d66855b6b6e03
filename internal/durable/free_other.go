//go:build !linux && !darwin && !freebsd && !windows

package durable

// Free is how many bytes the file system of a directory has left for this process. It is negative if that
// is not known.
func Free(string) (int64, error) { return -1, nil }
