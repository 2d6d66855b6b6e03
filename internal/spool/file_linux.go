package spool

import (
	"os"

	"golang.org/x/sys/unix"
)

// anonymous makes a file that never has a name, where the file system can do that.
func anonymous(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, unix.O_TMPFILE|unix.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return unlinked(dir)
	}
	return f, nil
}
