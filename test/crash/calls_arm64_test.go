//go:build linux

package crash

// What package syscall does not name.
const (
	sysCopyFileRange = 285
	sysRenameat2     = 276
)
