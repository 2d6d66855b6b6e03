//go:build unix

package metrics

import "golang.org/x/sys/unix"

func cpuTime() []Sample {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return nil
	}
	return Value(float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9)
}
