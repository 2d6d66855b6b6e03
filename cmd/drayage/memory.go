package main

import (
	"os"
	"runtime/debug"
)

// memoryGoal is what the garbage collector aims at. What is needed at once is less; without a goal, garbage would double it, and more
// on machines with many processors.
const memoryGoal = 64 << 20

// boundMemory sets the goal, unless the user has with Go's own variable.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryGoal)
	}
}
