//go:build linux

package bench

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine is what figures depend on. It names no host.
type Machine struct {
	CPU    string
	Cores  int
	Memory int64 // bytes
	Kernel string
	Load   string // how many processes wanted to run in the last minute: what else the machine is doing
}

func readMachine() Machine {
	m := Machine{CPU: "unknown processor", Cores: runtime.NumCPU()}
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	kib, _ := strconv.ParseInt(strings.TrimSuffix(procField("", "meminfo", "MemTotal"), " kB"), 10, 64)
	m.Memory = kib << 10
	if raw, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(raw))
	}
	if raw, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(raw), " ")
	}
	return m
}

func (m Machine) String() string {
	return fmt.Sprintf("%d cores (%s), %d GiB of memory, %s %s/%s, load before %s", m.Cores, m.CPU,
		(m.Memory+1<<29)>>30, m.Kernel,
		runtime.GOOS, runtime.GOARCH, m.Load)
}

// tail is the end of a log, on one line.
func tail(file string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return oneLine(string(raw[max(0, len(raw)-400):]))
}
