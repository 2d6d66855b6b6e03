//go:build linux

package interop

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// podman is a podman store of the test's own. There is no daemon.
type podman struct {
	dir string
}

// podmanConfig keeps podman off systemd, the journal and the machine's network settings. Its usual limits are
// above what a container that runs the tests may be allowed to set.
const podmanConfig = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
runtime = "runc"
`

func newPodman(t *testing.T) podman {
	t.Helper()
	requireRoot(t)
	require(t, "podman", "conmon", "runc")
	p := podman{dir: scratch(t)}
	if err := os.WriteFile(filepath.Join(p.dir, "containers.conf"), []byte(podmanConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// command is a podman command line for this store.
func (p podman) command(args ...string) invocation {
	argv := []string{"podman", "--root", filepath.Join(p.dir, "root"), "--runroot", filepath.Join(p.dir, "run"),
		"--tmpdir", filepath.Join(p.dir, "tmp"), "--storage-driver", "vfs"}
	config := "CONTAINERS_CONF=" + filepath.Join(p.dir, "containers.conf")
	return invocation{argv: slices.Concat(argv, args), env: []string{config}}
}

// run runs a podman command that must succeed and returns its output.
func (p podman) run(t *testing.T, args ...string) string {
	t.Helper()
	return p.command(args...).run(t).ok(t)
}
