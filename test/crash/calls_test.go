//go:build linux

package crash

import (
	"path/filepath"
	"strings"
	"syscall"
)

// changing are the calls that change what is on a disk, by the argument that says of what: a descriptor, or a
// name below one.
var changing = map[uint64]struct {
	name   string
	fd     int
	byName int // the argument with the name; 0: there is none
}{
	syscall.SYS_WRITE:     {"write", 0, 0},
	syscall.SYS_PWRITE64:  {"pwrite64", 0, 0},
	syscall.SYS_WRITEV:    {"writev", 0, 0},
	syscall.SYS_PWRITEV:   {"pwritev", 0, 0},
	syscall.SYS_SENDFILE:  {"sendfile", 0, 0},
	syscall.SYS_SPLICE:    {"splice", 2, 0},
	sysCopyFileRange:      {"copy_file_range", 2, 0},
	syscall.SYS_FTRUNCATE: {"ftruncate", 0, 0},
	syscall.SYS_FALLOCATE: {"fallocate", 0, 0},
	syscall.SYS_FSYNC:     {"fsync", 0, 0},
	syscall.SYS_FDATASYNC: {"fdatasync", 0, 0},
	syscall.SYS_FCHMOD:    {"fchmod", 0, 0},
	syscall.SYS_FCHOWN:    {"fchown", 0, 0},
	syscall.SYS_OPENAT:    {"openat", 0, 1},
	syscall.SYS_MKDIRAT:   {"mkdirat", 0, 1},
	syscall.SYS_UNLINKAT:  {"unlinkat", 0, 1},
	syscall.SYS_RENAMEAT:  {"renameat", 0, 3},
	sysRenameat2:          {"renameat2", 0, 3},
	syscall.SYS_LINKAT:    {"linkat", 0, 3},
	syscall.SYS_SYMLINKAT: {"symlinkat", 1, 2},
	syscall.SYS_UTIMENSAT: {"utimensat", 0, 1},
	syscall.SYS_FCHMODAT:  {"fchmodat", 0, 1},
	syscall.SYS_FCHOWNAT:  {"fchownat", 0, 1},
}

// changesFiles names the calls that change a file system.
func changesFiles(c call) string {
	kind, ok := changing[c.nr]
	if !ok {
		return ""
	}
	if kind.byName > 0 {
		if c.nr == syscall.SYS_OPENAT && c.args[2]&(syscall.O_CREAT|syscall.O_TRUNC) == 0 {
			return ""
		}
		return kind.name + " " + filepath.Base(c.text(c.args[kind.byName]))
	}
	if kind.fd == 0 && c.args[0] <= 2 {
		return "" // what it says to its user
	}
	file := c.file(c.args[kind.fd])
	if !strings.HasPrefix(file, "/") || strings.HasPrefix(file, "/dev/") || strings.HasPrefix(file, "/proc/") {
		return ""
	}
	return kind.name + " " + filepath.Base(file)
}

// changesAnything also names those that send something.
func changesAnything(c call) string {
	if c.nr == syscall.SYS_WRITE && strings.HasPrefix(c.file(c.args[0]), "socket:") {
		return "write socket"
	}
	return changesFiles(c)
}
