//go:build linux

package interop

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serve runs drayage serve until the test ends, and returns its address.
func serve(t *testing.T, args ...string) string {
	t.Helper()
	argv := drayageCommand(t, append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...).argv
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env, cmd.WaitDelay = environment, 5*time.Second
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("serve %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "http://"))
}

// TestServedUnderOldNames has engines pull old names from drayage serve, of each kind of SOURCE, by the files
// that mirrors writes. quay.io/team/app and ghcr.io/team/app are different images: with --keep-host all
// engines get the right one.
func TestServedUnderOldNames(t *testing.T) {
	o := newOldNames(t, "docker.io/library/drayage-sample:1", "quay.io/team/app:1", "ghcr.io/team/app:1")
	oci, saved := filepath.Join(scratch(t), "oci.tar"), filepath.Join(scratch(t), "docker.tar")
	drayage(t, "save", o.layout, "-o", oci, "--format", "oci", "--platform", "all").ok(t)
	drayage(t, "save", o.layout, "-o", saved).ok(t)
	c, p := startContainerd(t), newPodman(t)
	for kind, source := range map[string]string{"layout": o.layout, "OCI tar": oci, "docker tar": saved} {
		t.Run(kind, func(t *testing.T) {
			addr := serve(t, source)
			want := func(i int) string { return o.images[i].Root.Digest.String() }
			if source == saved { // it has no manifests but those that are made of it
				want = func(i int) string {
					return digestOf(t, addr+"/"+strings.Split(o.names[i], ":")[0]+":1")
				}
			}
			dir := o.written(t, "containerd", "http://"+addr, "--keep-host")
			for i, name := range o.names {
				c.pullsOld(t, dir, name, want(i))
			}
			dir, user := o.written(t, "podman", addr, "--keep-host"), newHome(t)
			placePodman(t, user, dir, addr)
			for i, name := range o.names {
				user.in(p.command("pull", "-q", name)).run(t).ok(t)
				equal(t, name, p.run(t, "image", "inspect", "--format", "{{.Id}}", name), o.here[i].Config.Encoded())
				p.run(t, "rmi", name)
			}
		})
	}
	addr := serve(t, oci)
	of := func(engine, name string) string {
		dir := filepath.Join(scratch(t), "mirrors")
		drayage(t, "mirrors", name, addr, "--for", engine, "-o", dir).ok(t)
		return filepath.Join(dir, engine)
	}
	t.Run("without the host", func(t *testing.T) { // containerd says which registry it means
		c.pullsOld(t, of("containerd", o.names[2]), o.names[2], o.images[2].Root.Digest.String())
	})
	t.Run("docker", func(t *testing.T) {
		d := startDocker(t, "--config-file", filepath.Join(of("docker", o.names[0]), "daemon.json"))
		d.run(t, "pull", "drayage-sample:1")
		equal(t, "image ID", d.id(t, "drayage-sample:1"), o.here[0].Config.String())
	})
}

// digestOf is the digest of an image in a registry.
func digestOf(t *testing.T, ref string) string {
	t.Helper()
	printed := drayage(t, "digest", ref).ok(t)
	_, d, _ := strings.Cut(strings.TrimSpace(printed), "@")
	return d
}
