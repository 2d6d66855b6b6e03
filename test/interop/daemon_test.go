//go:build linux

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	readyTimeout = time.Minute
	stopTimeout  = 30 * time.Second
	logShown     = 6000 // bytes of a daemon's log that a failed test shows
)

// daemon is a background process with its log in a file.
type daemon struct {
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
}

// startDaemon starts a process that keeps its log in dir. The caller stops it.
func startDaemon(dir string, argv ...string) (*daemon, error) {
	path, err := find(argv[0])
	if err != nil {
		return nil, err
	}
	return startCommand(dir, exec.Command(path, argv[1:]...))
}

// startCommand is startDaemon for a command with an environment, which is added to that of all commands, or
// files of its own.
func startCommand(dir string, cmd *exec.Cmd) (*daemon, error) {
	d := &daemon{cmd: cmd, log: filepath.Join(dir, filepath.Base(cmd.Path)+".log"), exited: make(chan struct{})}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	d.cmd.Env = slices.Concat(environment, cmd.Env)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	// A group of its own keeps an interrupt at the terminal from racing the test's own stop.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(d.exited)
		d.cmd.Wait() // how it ended is in the log
	}()
	return d, nil
}

// ready waits until probe succeeds. A daemon that exits or takes too long is an error with its log.
func (d *daemon) ready(probe func() error) error {
	deadline := time.After(readyTimeout)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := probe()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-d.exited:
			return fmt.Errorf("%s exited: %v\n%s", d.cmd.Path, d.cmd.ProcessState, d.tail())
		case <-deadline:
			return fmt.Errorf("%s is not ready after %v: %v\n%s", d.cmd.Path, readyTimeout, err, d.tail())
		}
	}
}

// stop asks the process to end, and ends it when it does not.
func (d *daemon) stop() error {
	d.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-d.exited:
		return nil
	case <-time.After(stopTimeout):
	}
	d.cmd.Process.Kill()
	<-d.exited
	return fmt.Errorf("%s did not stop within %v and was killed\n%s", d.cmd.Path, stopTimeout, d.tail())
}

// stopAfter stops the daemon at the end of the test.
func (d *daemon) stopAfter(t *testing.T) {
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
	d.showIfFailed(t)
}

// showIfFailed adds the end of the log to what a failed test prints.
func (d *daemon) showIfFailed(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of %s ends:\n%s", filepath.Base(d.cmd.Path), d.tail())
		}
	})
}

// noise marks lines that containerd and Docker write about every start and every container.
var noise = []string{"loading plugin", "module=grpc", "module=libcontainerd", "signal loop", "dead shim",
	"shim disconnected"}

func (d *daemon) tail() string {
	log, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	lines := slices.DeleteFunc(strings.Split(string(log), "\n"), func(line string) bool {
		return slices.ContainsFunc(noise, func(part string) bool { return strings.Contains(line, part) })
	})
	text := strings.Join(lines, "\n")
	return text[max(0, len(text)-logShown):]
}
