package memgoal

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

func TestLimitFollowsWhatIsInUse(t *testing.T) {
	const goal = 64 << 20
	defer debug.SetMemoryLimit(math.MaxInt64)
	Set(goal)
	// reaches collects until the limit is right: what is to run after a collection runs a little later.
	reaches := func(right func(limit int64) bool) bool {
		for range 1000 {
			runtime.GC()
			runtime.Gosched()
			if right(debug.SetMemoryLimit(-1)) {
				return true
			}
		}
		return false
	}
	if !reaches(func(l int64) bool { return l == goal }) {
		t.Errorf("the limit is %d at first", debug.SetMemoryLimit(-1))
	}
	used := make([]byte, 2*goal)
	if !reaches(func(l int64) bool { return l >= int64(len(used))*5/4 }) {
		t.Errorf("%d bytes are in use, and the limit is %d", len(used), debug.SetMemoryLimit(-1))
	}
	runtime.KeepAlive(used)
	used = nil
	if !reaches(func(l int64) bool { return l == goal }) {
		t.Errorf("nothing is in use any more, and the limit is %d", debug.SetMemoryLimit(-1))
	}
}
