package durable

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/docker/go-units"
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

// Room returns an error if the file system of dir has less than need bytes left, or cannot hold a file of
// largest bytes. It is for before the work: other processes may take the room meanwhile. A file system that
// does not tell has room.
func Room(dir string, need, largest int64) error {
	if most := maxFile(dir); largest > most {
		return fmt.Errorf("%s: a file of %s is needed: %w", dir, units.HumanSize(float64(largest)), syscall.EFBIG)
	}
	free, err := Free(dir)
	if err != nil || free < 0 || need <= free {
		return nil
	}
	return fmt.Errorf("%s: %s are needed, %s are free: %w",
		dir, units.HumanSize(float64(need)), units.HumanSize(float64(free)), syscall.ENOSPC)
}
