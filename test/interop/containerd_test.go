//go:build linux

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// containerd is a running containerd with a store of its own.
type containerd struct {
	*daemon
	socket  string
	content string // directory of its blobs
}

func startContainerd(t *testing.T) containerd {
	t.Helper()
	requireRoot(t)
	require(t, "containerd", "ctr", "runc")
	dir := scratch(t)
	c := containerd{socket: filepath.Join(dir, "containerd.sock"),
		content: filepath.Join(dir, "root/io.containerd.content.v1.content/blobs/sha256")}
	config := filepath.Join(dir, "config.toml")
	text := fmt.Sprintf(
		"version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"+
			"[grpc]\naddress = %q\n", filepath.Join(dir, "root"), filepath.Join(dir, "state"), c.socket)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.daemon, err = startDaemon(dir, "containerd", "--config", config); err != nil {
		t.Fatal(err)
	}
	c.stopAfter(t)
	ctr, err := find("ctr")
	if err != nil {
		t.Fatal(err)
	}
	err = c.ready(func() error { return exec.CommandContext(t.Context(), ctr, "-a", c.socket, "version").Run() })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ctr runs a ctr command that must succeed and returns its output.
func (c containerd) ctr(t *testing.T, args ...string) string {
	t.Helper()
	return run(t, slices.Concat([]string{"ctr", "-a", c.socket, "-n", "drayage"}, args)...)
}
