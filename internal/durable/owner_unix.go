//go:build unix

package durable

import (
	"io/fs"
	"os"
	"syscall"
)

// KeepOwner gives a new file the owner of the old one, so that a command with sudo does not lock users out of
// their own file. A process that may not do that is the owner already.
func KeepOwner(f *os.File, old fs.FileInfo) {
	if st, ok := old.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(st.Uid), int(st.Gid))
	}
}
