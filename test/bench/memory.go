//go:build linux

package bench

import (
	"fmt"
	"os"
	"syscall"
)

// warmMemory is what is touched before each run.
const warmMemory = 2 << 30

// touchMemory lets the machine have pages at hand. A virtual one gives back to its host what is free for some
// seconds, and whoever writes first after that waits for the host at every page: half of the time of a fetch,
// by turns of one tool and another.
func touchMemory() error {
	p, err := syscall.Mmap(-1, 0, warmMemory, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("memory: %v", err)
	}
	for i := 0; i < len(p); i += os.Getpagesize() {
		p[i] = 1
	}
	return syscall.Munmap(p)
}
