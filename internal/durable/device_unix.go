//go:build unix

package durable

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// Disk tells the disk of a directory from others. It is empty if that is unknown.
func Disk(dir string) string {
	fi, err := os.Stat(dir)
	if err != nil {
		return ""
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return strconv.FormatUint(uint64(st.Dev), 16)
	}
	return ""
}

// Allocated is how many bytes of the disk a file takes. A file with holes takes fewer than its size.
func Allocated(fi fs.FileInfo) int64 {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512 // the unit of stat, whatever the file system's
	}
	return fi.Size()
}
