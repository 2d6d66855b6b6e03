package dockerarchive

import "testing"

// HoldLess makes what is held of a stream small for one test.
func HoldLess(t testing.TB, entry, all int64) {
	e, a := maxHeldEntry, maxHeld
	maxHeldEntry, maxHeld = entry, all
	t.Cleanup(func() { maxHeldEntry, maxHeld = e, a })
}
