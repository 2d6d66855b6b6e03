//go:build linux

package crash

// What package syscall does not name.
const (
	sysCopyFileRange = 326
	sysRenameat2     = 316
)
