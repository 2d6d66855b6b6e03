package durable

import (
	"errors"
	"slices"
	"syscall"
)

// DiskFailed reports whether err means that this disk takes nothing more: it is full, read-only, broken, or
// cannot hold a file of that size. Other files, or another try, would only fail again.
func DiskFailed(err error) bool {
	all := slices.Concat(diskErrors, []error{syscall.ENOSPC, syscall.EROFS, syscall.EFBIG, syscall.EIO})
	return slices.ContainsFunc(all, func(e error) bool { return errors.Is(err, e) })
}

// DiskHint says what the user can do about an error of a disk. It is empty if there is nothing to say.
func DiskHint(err error) string {
	switch {
	case errors.Is(err, syscall.EFBIG):
		return "the file system cannot hold a file of this size: " +
			"FAT32 ends at 4 GiB; take one with exFAT, NTFS or ext4"
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EIO), !DiskFailed(err):
		return ""
	}
	return "the disk is full: free some space and run the same command again"
}
