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
	live, other := used()
	debug.SetMemoryLimit(limit(c.goal, live, other))
	watch(c)
}

// used returns how much is in use, and how much of the limit neither that nor garbage takes: holes between
// what is in use, and what the collector needs itself.
func used() (live, other int64) {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
	}
	metrics.Read(samples)
	var values [5]int64
	for i := range samples {
		values[i] = int64(samples[i].Value.Uint64())
	}
	return values[0], values[1] - values[2] - values[3] - values[4]
}

// limit leaves an eighth of what is in use for garbage, after all that counts too. With less, the collector
// runs all the time. With more, hostile archives pass 100 MiB.
func limit(goal, live, other int64) int64 {
	need := live + max(goal, live)/8 + other
	return max(goal, need+need/32) // the collector keeps 3% of the limit free
}
