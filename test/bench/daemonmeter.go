//go:build linux

package bench

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTicks a second are what /proc counts CPU time in; Linux has told user space 100 on every architecture
// that Go runs on.
const clockTicks = 100

// daemonMeter measures processes that were there before the work and stay.
type daemonMeter struct {
	pids    []int
	cpu     time.Duration
	written int64
}

func startDaemonMeter(pids []int) *daemonMeter {
	m := &daemonMeter{pids: pids}
	for _, pid := range pids {
		m.cpu += cpuTime(pid)
		m.written += writtenBytes(strconv.Itoa(pid))
		// 5 makes the peak start again at what is used now. A kernel that refuses leaves an older peak,
		// which is too high at worst.
		os.WriteFile(filepath.Join("/proc", strconv.Itoa(pid), "clear_refs"), []byte("5"), 0)
	}
	return m
}

func (m *daemonMeter) add(usage *Usage) {
	cpu, written, peak := -m.cpu, -m.written, int64(0)
	for _, pid := range m.pids {
		cpu += cpuTime(pid)
		written += writtenBytes(strconv.Itoa(pid))
		peak += peakMemory(pid)
	}
	usage.CPU += cpu
	usage.Written += written
	usage.Peak = max(usage.Peak, peak)
}

// cpuTime of a process and of its children that have ended.
func cpuTime(pid int) time.Duration {
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold spaces. utime, stime, cutime and cstime are the 12th to 15th field
	// behind it.
	_, rest, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for i := 11; i < 15 && i < len(fields); i++ {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks
}

// family is a process and its direct children.
func family(pid int) []int {
	pids := []int{pid}
	paths, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "children"))
	for _, path := range paths {
		raw, _ := os.ReadFile(path)
		for _, word := range strings.Fields(string(raw)) {
			if child, err := strconv.Atoi(word); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}
