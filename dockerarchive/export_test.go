package dockerarchive

import (
	"testing"

	"drayage/internal/tarfs"
)

// HoldLess makes what is held of a stream small for one test.
func HoldLess(t testing.TB, file, all int64) {
	f, a := tarfs.MaxHeldFile, tarfs.MaxHeld
	tarfs.MaxHeldFile, tarfs.MaxHeld = file, all
	t.Cleanup(func() { tarfs.MaxHeldFile, tarfs.MaxHeld = f, a })
}
