package metrics

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Process adds what is known of this process. The names are those that Prometheus's own libraries use, so
// that dashboards know them. Where a system does not tell something, it is left out.
func (s *Set) Process(start time.Time) {
	s.Gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
		func() []Sample { return Value(float64(start.UnixMilli()) / 1000) })
	s.Gauge("process_resident_memory_bytes", "Resident memory size in bytes.", resident)
	s.Gauge("process_open_fds", "Number of open file descriptors.", openFiles)
	s.Total("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", cpuTime)
	s.Gauge("go_goroutines", "Number of goroutines that currently exist.",
		func() []Sample { return Value(float64(runtime.NumGoroutine())) })
	s.Gauge("go_info", "Information about the Go environment.",
		func() []Sample { return []Sample{{[]string{runtime.Version()}, 1}} }, "version")
}

// resident reads /proc/self/statm, which only Linux has: the second number is resident pages.
func resident() []Sample {
	raw, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(raw))
	if err != nil || len(fields) < 2 {
		return nil
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		return nil
	}
	return Value(pages * float64(os.Getpagesize()))
}

func openFiles() []Sample {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	return Value(float64(len(names) - 1)) // without the one that lists them
}
