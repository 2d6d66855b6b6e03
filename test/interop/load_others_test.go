//go:build linux

package interop

import (
	"strings"
	"testing"
)

const hub = "docker.io/library/"

func TestPodmanLoadsSample(t *testing.T) {
	for _, way := range sources {
		t.Run(way.name, func(t *testing.T) {
			p := newPodman(t)
			s := saveSample(t, way.byLayout)
			p.run(t, "load", "-i", s.tar)
			equalAll(t, "podman images", p.names(t), []string{s.ref})
			equal(t, "image ID", p.id(t, s.ref), s.platform.Config.String())
			equal(t, "podman run prints", p.start(t, s.ref), s.platform.Output)
		})
	}
}

func podmanLoadsMany(t *testing.T, tar string, ids map[string]string) {
	p := newPodman(t)
	p.run(t, "load", "-i", tar)
	checkNames(t, p.names(t), ids, hub)
	for ref, id := range ids {
		ref = qualify(ref, hub)
		equal(t, ref, p.id(t, ref), id)
		if p.start(t, ref) == "" {
			t.Errorf("%s prints nothing", ref)
		}
	}
}

// names lists what `podman images` shows, as name:tag.
func (p podman) names(t *testing.T) []string {
	t.Helper()
	return strings.Fields(p.run(t, "images", "--format", "{{.Repository}}:{{.Tag}}"))
}

// id is the image ID of a name, as sha256:hex.
func (p podman) id(t *testing.T, name string) string {
	t.Helper()
	return "sha256:" + p.run(t, "image", "inspect", "--format", "{{.Id}}", name)
}

// start runs the image's own command in a container without a network.
func (p podman) start(t *testing.T, name string) string {
	t.Helper()
	return p.run(t, "run", "--rm", "--network", "none", name)
}

func TestContainerdImportsSample(t *testing.T) {
	for _, way := range sources {
		t.Run(way.name, func(t *testing.T) {
			c := startContainerd(t)
			s := saveSample(t, way.byLayout)
			c.ctr(t, "images", "import", s.tar)
			equalAll(t, "ctr images ls", strings.Fields(c.ctr(t, "images", "ls", "-q")), []string{s.ref})
			c.check(t, s.ref)
			equal(t, "ctr run prints", c.start(t, s.ref), s.platform.Output)
		})
	}
}

func containerdLoadsMany(t *testing.T, tar string, ids map[string]string) {
	c := startContainerd(t)
	c.ctr(t, "images", "import", tar)
	checkNames(t, strings.Fields(c.ctr(t, "images", "ls", "-q")), ids, hub)
	for ref := range ids {
		ref = qualify(ref, hub)
		c.check(t, ref)
		if c.start(t, ref) == "" {
			t.Errorf("%s prints nothing", ref)
		}
	}
}

// check fails the test unless containerd has every blob of the image and has unpacked it.
func (c containerd) check(t *testing.T, ref string) {
	t.Helper()
	table := trimmedLines(c.ctr(t, "images", "check", "name=="+ref))
	row := table[len(table)-1]
	if !strings.HasPrefix(row, ref) || !strings.Contains(row, " complete (") || !strings.HasSuffix(row, "true") {
		t.Errorf("ctr images check of %s: %s", ref, row)
	}
}

// start runs the image's own command.
func (c containerd) start(t *testing.T, ref string) string {
	t.Helper()
	return c.ctr(t, "run", "--rm", ref, "once")
}
