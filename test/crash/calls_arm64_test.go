//go:build linux

package crash

import "syscall"

// What package syscall does not name.
const (
	sysCopyFileRange = 285
	sysRenameat2     = 276
)

// failCall is known for amd64 only.
func failCall(int, syscall.Errno) {}

const canFailCalls = false
