package durable

import (
	"fmt"
	"syscall"

	"github.com/docker/go-units"
)

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
