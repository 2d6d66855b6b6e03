//go:build linux

package interop

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// docker is a running Docker daemon with a store of its own.
type docker struct {
	*daemon
	socket string
	client string // path of the docker command
}

// startDocker starts an empty Docker for this test: the far side of the gap. Docker does not even open a
// layer that it has, so what is to be loaded or pulled for real needs a fresh one. flags are added to those
// of the daemon.
func startDocker(t *testing.T, flags ...string) docker {
	t.Helper()
	requireDocker(t)
	d, err := newDocker(scratch(t), flags...)
	if err != nil {
		t.Fatal(err)
	}
	d.stopAfter(t)
	return d
}

// builder is the Docker that builds images and saves them, shared by all tests.
func builder(t *testing.T) docker {
	t.Helper()
	requireDocker(t)
	d, err := sharedBuilder()
	if err != nil {
		t.Fatal(err)
	}
	d.showIfFailed(t)
	return d
}

func requireDocker(t *testing.T) {
	t.Helper()
	requireRoot(t)
	require(t, "dockerd", "docker", "runc", "containerd")
}

var (
	sharedBuilder = sync.OnceValues(func() (docker, error) {
		dir := filepath.Join(work, "builder")
		if err := os.Mkdir(dir, 0o700); err != nil {
			return docker{}, err
		}
		d, err := newDocker(dir)
		stopBuilder = func() error { return nil }
		if err == nil {
			stopBuilder = d.stop
		}
		return d, err
	})
	stopBuilder = func() error { return nil }
)

func newDocker(dir string, flags ...string) (docker, error) {
	d := docker{socket: "unix://" + filepath.Join(dir, "docker.sock")}
	var err error
	if d.client, err = find("docker"); err != nil {
		return d, err
	}
	d.daemon, err = startDaemon(dir, slices.Concat([]string{"dockerd", "--iptables=false", "--bridge=none", "-H",
		d.socket,
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid")}, flags)...)
	if err != nil {
		return d, err
	}
	probe := exec.Command(d.client, "version")
	err = d.ready(func() error {
		probe = exec.Command(d.client, "-H", d.socket, "version")
		probe.Env = environment
		return probe.Run()
	})
	if err != nil {
		return d, errors.Join(err, d.stop())
	}
	return d, nil
}

// command is a docker command line for this daemon.
func (d docker) command(args ...string) invocation {
	return invocation{argv: slices.Concat([]string{d.client, "-H", d.socket}, args)}
}

// run runs a docker command that must succeed and returns its output.
func (d docker) run(t *testing.T, args ...string) string {
	t.Helper()
	return d.command(args...).run(t).ok(t)
}

// names lists what `docker images` shows, as sorted name:tag lines.
func (d docker) names(t *testing.T) []string {
	t.Helper()
	out := d.run(t, "images", "--format", "{{.Repository}}:{{.Tag}}")
	names := strings.Fields(out)
	slices.Sort(names)
	return names
}

// id is the image ID of a name, as sha256:hex.
func (d docker) id(t *testing.T, name string) string {
	t.Helper()
	return d.run(t, "image", "inspect", "--format", "{{.Id}}", name)
}

// start runs the image's own command in a container without a network.
func (d docker) start(t *testing.T, name string, args ...string) string {
	t.Helper()
	return d.run(t, slices.Concat([]string{"run", "--rm", "--network", "none", name}, args)...)
}
