//go:build linux

package flat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Usage is what one command took.
type Usage struct {
	CPU, Wall time.Duration
	Peak      int64 // bytes of resident memory
	Each      int   // the requests that CPU is of; 0: it is of the images
}

// Meter is a process of its own, because Linux counts the memory of the process that starts a command as the
// command's. It runs a command, and prints its Usage.
func Meter(argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	out, err := os.Create(os.DevNull)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout = out
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return err
	}
	rusage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return json.NewEncoder(os.Stdout).Encode(Usage{CPU: cpu, Wall: time.Since(began), Peak: rusage.Maxrss << 10})
}

func measure(ctx context.Context, self string, argv []string) (u Usage, err error) {
	cmd := exec.CommandContext(ctx, self, append([]string{"meter"}, argv...)...)
	cmd.Env = append(os.Environ(), "HOME=/nonexistent")
	raw, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return u, fmt.Errorf("%v: %w: %.600s", argv, err, exit.Stderr)
	}
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal(raw, &u)
}
