//go:build linux

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// dockerDaemon is a Docker of this run's own, without a network.
type dockerDaemon struct {
	client, socket string
	cmd            *exec.Cmd
	exited         chan struct{}
}

// startDocker starts the daemon once. The error is the reason for which Docker is not measured.
func (e *env) startDocker(ctx context.Context) (*dockerDaemon, error) {
	if e.docker != nil {
		return e.docker, nil
	}
	client := e.tools.path("docker")
	daemon := lookIn(append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin"), "dockerd")
	switch {
	case client == "" || daemon == "":
		return nil, errors.New("not here")
	case os.Getuid() != 0:
		return nil, errors.New("its daemon is started by root only")
	}
	dir, err := os.MkdirTemp(e.dir, "docker-")
	if err != nil {
		return nil, err
	}
	d := &dockerDaemon{client: client, socket: "unix://" + filepath.Join(dir, "sock"),
		exited: make(chan struct{})}
	d.cmd = exec.Command(daemon, "--iptables=false", "--bridge=none", "-H", d.socket, "--data-root",
		filepath.Join(dir, "data"),
		"--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"))
	// an interrupt at the terminal is for stop to pass on
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { defer close(d.exited); d.cmd.Wait() }()
	for range 300 {
		if exec.CommandContext(ctx, client, "-H", d.socket, "version").Run() == nil {
			e.docker = d
			return d, nil
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			break
		}
	}
	return nil, errors.Join(errors.New("its daemon does not start"), d.stop())
}

// stop ends the daemon. None is none to stop.
func (d *dockerDaemon) stop() error {
	if d == nil {
		return nil
	}
	d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.exited:
		return nil
	case <-time.After(30 * time.Second):
	}
	d.cmd.Process.Kill()
	<-d.exited
	return errors.New("dockerd had to be killed")
}

func (d *dockerDaemon) command(args ...string) []string {
	return append([]string{d.client, "-H", d.socket}, args...)
}

// empty removes all images, so that the next run finds none.
func (d *dockerDaemon) empty(ctx context.Context) error {
	argv := d.command("images", "-q")
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	if err != nil {
		return err
	}
	ids := strings.Fields(string(out))
	if len(ids) == 0 {
		return nil
	}
	argv = d.command(append([]string{"rmi", "-f"}, ids...)...)
	if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("docker rmi: %v: %s", err, out)
	}
	return nil
}

// contender is Docker, with a task that gets its daemon, or the reason why there is none.
func (e *env) dockerContender(ctx context.Context, name string,
	make func(context.Context, *round, *dockerDaemon) (task, error)) contender {
	c := contender{tool: name}
	if e.Tools != nil && !e.Tools.MatchString(name) {
		return c
	}
	d, err := e.startDocker(ctx)
	if err != nil {
		c.whyNot = err.Error()
		return c
	}
	c.task = func(ctx context.Context, r *round) (task, error) {
		t, err := make(ctx, r, d)
		t.before, t.daemon = d.empty, family(d.cmd.Process.Pid)
		return t, err
	}
	return c
}
