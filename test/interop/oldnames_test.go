//go:build linux

package interop

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drayage/test/sample"
)

// oldNames is a layout with two images that have names of public registries, which nobody here reaches.
type oldNames struct {
	layout string
	names  []string
	images []*sample.Image
	here   []sample.Platform
}

func newOldNames(t *testing.T, names ...string) oldNames {
	t.Helper()
	o := oldNames{layout: filepath.Join(scratch(t), "images"), names: names}
	if len(names) == 0 {
		o.names = []string{"docker.io/library/drayage-sample:1", "quay.io/team/app:1"}
	}
	from := startRegistry3(t)
	for i, name := range o.names {
		flavour := []sample.Flavour{sample.Docker, sample.OCI}[i%2]
		image, here := newSample(t, sample.Options{Flavour: flavour, Text: name})
		ref := seed(t, image, from, "from/app", "1")
		drayage(t, "fetch", ref, "-o", o.layout, "--platform", "all").ok(t)
		drayage(t, "tag", "oci:"+o.layout+":"+ref, name).ok(t)
		drayage(t, "rm", "oci:"+o.layout+":"+ref).ok(t)
		o.images, o.here = append(o.images, image), append(o.here, here)
	}
	return o
}

// files pushes the images and writes the files of an engine for them. It returns the folder of these.
func (o oldNames) files(t *testing.T, engine, dest string, push, more []string) string {
	t.Helper()
	drayage(t, slices.Concat([]string{"push", o.layout, dest}, push)...).ok(t)
	return o.written(t, engine, dest, slices.Concat(push, more)...)
}

// written is the folder with the files of an engine.
func (o oldNames) written(t *testing.T, engine, dest string, flags ...string) string {
	t.Helper()
	dir := filepath.Join(scratch(t), "mirrors")
	drayage(t, slices.Concat([]string{"mirrors", o.layout, dest, "--for", engine, "-o", dir}, flags)...).ok(t)
	return filepath.Join(dir, engine)
}

// mirrorWays are the ways to push, and what mirrors is told besides.
var mirrorWays = []struct {
	name, below string // what stands behind the registry in DEST
	tls         bool
	push, more  []string
}{
	{"root", "/", false, nil, nil},
	{"prefix, TLS of a CA", "/corp/mirror/", true, []string{"--ca-file", "CA"}, nil},
	{"keep the host, TLS unverified", "/", true, []string{"--keep-host", "--insecure"}, nil},
	{"fallback", "/corp/", false, nil, []string{"--fallback"}},
}

// mirrored is a registry for one of the ways. It returns the address and the flags for push.
func mirrored(t *testing.T, tls bool, push []string) (addr string, flags []string) {
	t.Helper()
	addr = startRegistry3(t)
	if !tls {
		return addr, push
	}
	ca, proxy := newAuthority(t), newNginx(t)
	front := proxy.listen(t)
	proxy.start(t, proxy.tlsServer(t, ca, front, "client_max_body_size 0; location / { proxy_pass http://"+addr+
		"; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https; }"))
	flags = slices.Clone(push)
	for i, f := range flags {
		if f == "CA" {
			flags[i] = ca.file
		}
	}
	return front, flags
}

// TestContainerdPullsOldNames has containerd pull unchanged names, by the hosts.toml that mirrors writes.
func TestContainerdPullsOldNames(t *testing.T) {
	o, c := newOldNames(t), startContainerd(t)
	for _, way := range mirrorWays {
		t.Run(way.name, func(t *testing.T) {
			addr, push := mirrored(t, way.tls, way.push)
			dir := o.files(t, "containerd", addr+way.below, push, way.more)
			for i, name := range o.names {
				c.pullsOld(t, dir, name, o.images[i].Root.Digest.String())
			}
		})
	}
}

// pullsOld pulls a name by the files in dir, and removes the image and its blobs.
func (c containerd) pullsOld(t *testing.T, dir, name, want string) {
	t.Helper()
	c.ctr(t, "images", "pull", "--hosts-dir", dir, "--snapshotter", "native", name)
	if listed := c.ctr(t, "images", "ls", "name=="+name); !strings.Contains(listed, want) {
		t.Errorf("%s is not %s:\n%s", name, want, listed)
	}
	c.ctr(t, "images", "rm", "--sync", name)
}

// TestPodmanPullsOldNames has podman pull unchanged names, by what mirrors writes for registries.conf.
func TestPodmanPullsOldNames(t *testing.T) {
	o := newOldNames(t)
	ways := append(slices.Clone(mirrorWays), mirrorWays[0])
	ways[len(ways)-1].name, ways[len(ways)-1].push = "flattened", []string{"--flatten"}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			addr, push := mirrored(t, way.tls, way.push)
			dir := o.files(t, "podman", addr+way.below, push, way.more)
			p, user := newPodman(t), newHome(t)
			placePodman(t, user, dir, addr)
			for i, name := range o.names {
				user.in(p.command("pull", "-q", name)).run(t).ok(t)
				equal(t, name, p.run(t, "image", "inspect", "--format", "{{.Id}}", name), o.here[i].Config.Encoded())
				digests := p.run(t, "image", "inspect", "--format", "{{.RepoDigests}}", name)
				if want := o.here[i].Manifest.Digest.String(); !strings.Contains(digests, want) {
					t.Errorf("%s has the digests %s, not %s", name, digests, want)
				}
			}
		})
	}
}

// placePodman puts the files where podman looks for those of a user.
func placePodman(t *testing.T, user home, dir, addr string) {
	t.Helper()
	user.write(t, ".docker/config.json", []byte("{}")) // podman wants to find what DOCKER_CONFIG names
	for from, to := range map[string]string{"900-drayage.conf": "registries.conf.d/900-drayage.conf",
		"ca.crt": "certs.d/" + addr + "/ca.crt"} {
		raw, err := os.ReadFile(filepath.Join(dir, from))
		switch {
		case err == nil:
			user.write(t, ".config/containers/"+to, raw)
		case from != "ca.crt":
			t.Fatal(err)
		}
	}
}

// TestDockerPullsOldNames has Docker pull a name of Docker Hub from a mirror, and the script the other one.
func TestDockerPullsOldNames(t *testing.T) {
	o := newOldNames(t)
	dir := o.files(t, "docker", startRegistry3(t)+"/", nil, nil)
	d := startDocker(t, "--config-file", filepath.Join(dir, "daemon.json"))
	d.run(t, "pull", "drayage-sample:1")
	equal(t, "image ID", d.id(t, "drayage-sample:1"), o.here[0].Config.String())
	d.run(t, "rmi", "drayage-sample:1")

	bare := startDocker(t)
	dir = o.files(t, "docker", startRegistry3(t)+"/corp/", nil, nil)
	if _, err := os.Stat(filepath.Join(dir, "daemon.json")); err == nil {
		t.Error("a mirror with a path is given to dockerd, which cannot use it")
	}
	script := invocation{argv: []string{"/bin/sh", filepath.Join(dir, "pull.sh")},
		env: []string{"DOCKER_HOST=" + bare.socket}}
	script.run(t).ok(t)
	equalAll(t, "names", bare.names(t), []string{"drayage-sample:1", "quay.io/team/app:1"})
	for i, name := range o.names {
		equal(t, name, bare.id(t, name), o.here[i].Config.String())
	}
}
