package scale

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Fleet runs one command line in several processes, as the pods of an Indexed Job do.
type Fleet struct {
	Binary string
	Dir    string // each process gets a home of its own below it
	Env    []string
}

// Process is what one process has done.
type Process struct {
	Code   int
	Stderr string
	Stdout string
	Took   time.Duration
	CPU    time.Duration
	Memory int64 // bytes at most
}

// Run runs n processes side by side, each with its JOB_COMPLETION_INDEX, and waits for all. Those with an
// index in only are run, if any are given.
func (f Fleet) Run(ctx context.Context, n int, args []string, only ...int) ([]Process, error) {
	if len(only) == 0 {
		for i := range n {
			only = append(only, i)
		}
	}
	all, errs := make([]Process, len(only)), make([]error, len(only))
	var wg sync.WaitGroup
	for k, index := range only {
		wg.Go(func() { all[k], errs[k] = f.run(ctx, index, args) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (f Fleet) run(ctx context.Context, index int, args []string) (p Process, err error) {
	home := filepath.Join(f.Dir, "pod-"+strconv.Itoa(index))
	if err := os.MkdirAll(home, 0o700); err != nil {
		return p, err
	}
	cmd := exec.CommandContext(ctx, f.Binary, args...)
	cmd.Dir = f.Dir
	cmd.Env = append([]string{"HOME=" + home, "TMPDIR=" + home, "DRAYAGE_CONFIG=" + os.DevNull,
		"JOB_COMPLETION_INDEX=" + strconv.Itoa(index)}, f.Env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return p, err
	}
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		p.Memory = peak(cmd.Process.Pid, ended)
	}()
	cmd.Wait() // the code says how it ended
	close(ended)
	<-watched
	p.Code, p.Stderr, p.Stdout = cmd.ProcessState.ExitCode(), stderr.String(), stdout.String()
	p.Took, p.CPU = time.Since(began), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	return p, nil
}

var highWater = regexp.MustCompile(`VmHWM:\s+([0-9]+) kB`)

// peak watches the memory of a process until it has ended, on Linux. What rusage says is no less than the
// memory of this process, from which the other one was made.
func peak(pid int, ended <-chan struct{}) (most int64) {
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if m := highWater.FindSubmatch(raw); err == nil && m != nil {
			kilobytes, _ := strconv.ParseInt(string(m[1]), 10, 64) // digits
			most = max(most, kilobytes<<10)
		}
		select {
		case <-ended:
			tick.Stop()
			return most
		case <-tick.C:
		}
	}
}

// Failed is the error of the first process that has not done its work.
func Failed(all []Process) error {
	for i, p := range all {
		if p.Code != 0 {
			return fmt.Errorf("process %d: exit code %d: %s", i, p.Code, p.Stderr)
		}
	}
	return nil
}
