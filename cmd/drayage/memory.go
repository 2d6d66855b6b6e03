package main

import (
	"os"
	"runtime/debug"
)

// memoryGoal is what the garbage collector aims at. Without one, garbage grows with the number of processors: sixteen took 230 MiB for what
// needs a third of that.
const memoryGoal = 64 << 20

// boundMemory sets the goal, unless the user has with Go's own variable.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal)
	}
}
