package forecast

import (
	"errors"
	"syscall"
	"time"

	"drayage/internal/durable"
)

// Disk is what a command would need of a disk.
type Disk struct {
	Path    string // the file or directory that the command would write
	Needed  int64
	Bound   string // what Needed is: empty if it is exact, or AtLeast or About
	Free    int64  // negative: unknown
	Largest int64  // the size of the largest file
	Volumes int    // into which the file is cut; 0: none
	Share   string // what a folder gets, one of several; or empty
	Spare   int64  // bytes that have to be free besides
	Hint    string // what to do if there is no room; empty: what is usual
	room    string
}

// Bounds of what a disk needs.
const (
	AtLeast = "at least"
	About   = "about" // nobody knows how far it can be compressed
)

// NewDisk finds out how much room there is for what would be written to path, which need not be there.
func NewDisk(path string, needed, largest int64) (Disk, error) {
	d := Disk{Path: path, Needed: needed, Largest: largest}
	var err error
	if d.room, err = durable.Existing(path); err != nil {
		return d, err
	}
	if d.Free, err = durable.Free(d.room); err != nil {
		d.Free = -1
	}
	return d, nil
}

// Room returns an error if there is less room than is needed.
func (d Disk) Room() error {
	if d.Bound == About {
		return nil
	}
	err := durable.Room(d.room, d.Needed+d.Spare, d.Largest)
	var room *durable.RoomError
	if d.Hint != "" && errors.As(err, &room) && errors.Is(err, syscall.ENOSPC) {
		room.Hint = d.Hint
	}
	return err
}

// seconds is how long n bytes take at a rate of bytes per second, which is 0 if nobody has asked.
func seconds(n, rate int64) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(float64(n) / float64(rate) * float64(time.Second)).Round(time.Millisecond)
}
