package memgoal

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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
	if !reaches(func(l int64) bool { return l >= int64(len(used))*9/8 }) {
		t.Errorf("%d bytes are in use, and the limit is %d", len(used), debug.SetMemoryLimit(-1))
	}
	runtime.KeepAlive(used)
	used = nil
	if !reaches(func(l int64) bool { return l == goal }) {
		t.Errorf("nothing is in use any more, and the limit is %d", debug.SetMemoryLimit(-1))
	}
}

// Holes between what is in use count for the limit too. If they were forgotten, nothing was left for garbage,
// and the collector ran all the time.
func TestHolesLeaveRoomForGarbage(t *testing.T) {
	const goal, piece = 32 << 20, 1 << 10
	defer debug.SetMemoryLimit(math.MaxInt64)
	var all [][]byte
	for range 2 * goal / piece {
		all = append(all, make([]byte, piece))
	}
	for i := range all {
		if i%2 == 0 {
			all[i] = nil
		}
	}
	Set(goal)
	var room int64
	for range 1000 {
		runtime.GC()
		runtime.Gosched()
		goals := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}, {Name: "/gc/heap/live:bytes"}}
		metrics.Read(goals)
		if room = int64(goals[0].Value.Uint64()) - int64(goals[1].Value.Uint64()); room >= goal/16 {
			break
		}
	}
	if room < goal/16 {
		t.Errorf("%d bytes are left for garbage beside %d in use", room, goal)
	}
	runtime.KeepAlive(all)
}
