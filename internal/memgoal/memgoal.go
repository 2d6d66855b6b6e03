// Package memgoal gives the garbage collector a goal that it can reach.
package memgoal

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Set makes bytes the limit of Go's memory. Without a limit, garbage grows with the number of processors.
// What is in use may need more, as an index.json with 100,000 images does. The collector would run all the
// time then, so the limit goes up with it, and down again.
func Set(bytes int64) {
	debug.SetMemoryLimit(bytes)
	watch(&cycle{goal: bytes})
}

// cycle is garbage from the start, so each collection finds it. It is too large to share its place with other
// small things, which might be in use.
type cycle struct {
	goal int64
	_    [3]int64
}

func watch(c *cycle) { runtime.SetFinalizer(c, (*cycle).adjust) }

// adjust runs after each collection.
func (c *cycle) adjust() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetMemoryLimit(limit(c.goal, int64(live[0].Value.Uint64())))
	watch(c)
}

// limit leaves a quarter of what is in use for garbage. More would pass the 100 MiB of hostile archives.
func limit(goal, live int64) int64 {
	if live <= goal/4*3 {
		return goal
	}
	return live + max(goal, live)/4
}
