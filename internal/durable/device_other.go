//go:build !unix

package durable

import (
	"io/fs"
	"path/filepath"
)

// Disk tells the disk of a directory from others. It is empty if that is unknown.
func Disk(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	return filepath.VolumeName(dir)
}

// Allocated is how many bytes of the disk a file takes.
func Allocated(fi fs.FileInfo) int64 { return fi.Size() }
