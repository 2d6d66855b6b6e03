package durable

import (
	"math"

	"golang.org/x/sys/windows"
)

var diskErrors = []error{
	windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED,
}

var writeProtected = []error{windows.ERROR_WRITE_PROTECT}

// Free is how many bytes the file system of a directory has left for this process. It is negative if that
// is not known.
func Free(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return -1, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return -1, err
	}
	return int64(min(free, math.MaxInt64)), nil
}
