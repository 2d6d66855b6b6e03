package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"drayage/internal/terminal"
)

// DiskFailed reports whether err means that this disk takes nothing more: it is full, read-only, broken, or
// cannot hold a file of that size. Other files, or another try, would only fail again.
func DiskFailed(err error) bool {
	ours := []error{syscall.ENOSPC, syscall.EROFS, syscall.EFBIG, syscall.EIO}
	return isAny(err, slices.Concat(diskErrors, writeProtected, ours))
}

// Unwritable reports whether err means that this process may not change a folder, or that there is none. A
// disk that is full or broken is something else: another process may still change that folder.
func Unwritable(err error) bool {
	return isAny(err, slices.Concat(writeProtected, []error{fs.ErrPermission, fs.ErrNotExist, syscall.EROFS}))
}

func isAny(err error, all []error) bool {
	return slices.ContainsFunc(all, func(e error) bool { return errors.Is(err, e) })
}

// RoomError says that there is less room than is needed, before anything is written. It wraps the error that
// writing would meet.
type RoomError struct {
	Text string
	Hint string // what to do; empty: what DiskHint says of the error that writing would meet
	Err  error  // such as ENOSPC
}

// Error implements error. It does not repeat the error of the system: nothing has gone wrong yet.
func (e *RoomError) Error() string { return e.Text }

// Unwrap returns the error that writing would meet.
func (e *RoomError) Unwrap() error { return e.Err }

// DiskHint says what the user can do about an error of a disk. It is empty if there is nothing to say.
func DiskHint(err error) string {
	var room *RoomError
	switch {
	case errors.As(err, &room) && room.Hint != "":
		return room.Hint
	case errors.Is(err, syscall.EFBIG):
		return "the file system cannot hold a file of this size: " +
			"FAT32 ends at 4.3 GB; take one with exFAT, NTFS or ext4"
	case errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EIO), !DiskFailed(err):
		return ""
	}
	return "free some space and run the same command again"
}

// Room returns an error if the file system of dir has less than need bytes left, or cannot hold a file of
// largest bytes. It is for before the work: other processes may take the room meanwhile. A file system that
// does not tell has room.
func Room(dir string, need, largest int64) error {
	if most := maxFile(dir); largest > most {
		text := fmt.Sprintf("%s: a file of %s is needed", dir, terminal.Size(largest))
		return &RoomError{Text: text, Err: syscall.EFBIG}
	}
	free, err := Free(dir)
	if err != nil || free < 0 || need <= free {
		return nil
	}
	text := fmt.Sprintf("%s: not enough space: %s are needed, %s are free",
		dir, terminal.Size(need), terminal.Size(free))
	return &RoomError{Text: text, Err: syscall.ENOSPC}
}

// Existing is path, or the directory above it that is there already, in full.
func Existing(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(path); err == nil || filepath.Dir(path) == path {
			return path, nil
		}
		path = filepath.Dir(path)
	}
}
