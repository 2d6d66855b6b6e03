//go:build linux

package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"drayage/test/sample"
)

// TestInventoryOfDocker carries an update to a Docker that has the old image: without the layer that Docker
// has unpacked, as its inventory tells.
func TestInventoryOfDocker(t *testing.T) {
	requireDocker(t)
	addr, dir := startRegistry3(t), scratch(t)
	first, _ := newSample(t, sample.Options{})
	next, here := newSample(t, sample.Options{Text: "The text of the update.\n"})
	old, update := seed(t, first, addr, "team/hello", "1"), seed(t, next, addr, "team/hello", "2")
	file := func(name string) string { return filepath.Join(dir, name) }
	drayage(t, "save", old, "-o", file("old.tar")).ok(t)
	drayage(t, "save", update, "-o", file("whole.tar")).ok(t)

	d := startDocker(t)
	d.run(t, "load", "-i", file("old.tar"))
	ask := drayageCommand(t, "inventory", "docker", "-o", file("far.inv"), "--names")
	ask.env = []string{"DOCKER_HOST=" + d.socket}
	ask.run(t).ok(t)
	text, err := os.ReadFile(file("far.inv"))
	if err != nil || !strings.Contains(string(text), `{"name":"`+old+`","digest":"`+d.id(t, old)+`"}`) {
		t.Errorf("%v\n%s", err, text)
	}
	for _, format := range []string{"docker", "oci"} {
		thin := file(format + ".tar")
		drayage(t, "save", update, "-o", thin, "--since", file("far.inv"), "--format", format).ok(t)
		drayage(t, "verify", thin).ok(t)
		equal(t, "docker load prints", d.run(t, "load", "-i", thin), "Loaded image: "+update)
		equal(t, "image ID", d.id(t, update), here.Config.String())
		equal(t, "docker run prints", d.start(t, update), here.Output)
		d.run(t, "rmi", update)
	}
	thin := file("docker.tar")
	if small, large := size(t, thin), size(t, file("whole.tar")); small > large/2 {
		t.Errorf("%d bytes travel of %d", small, large)
	}
	empty := startDocker(t)
	wantsBase(t, empty.command("load", "-i", thin), func() string { return strings.Join(empty.names(t), " ") })
	p := newPodman(t)
	p.run(t, "load", "-i", file("old.tar"))
	if o := p.command("load", "-i", thin).run(t); o.code == 0 {
		t.Errorf("podman opens every layer of a docker tar, and takes one that lacks some: %s", o.stdout)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Size()
}

// TestInventoryOfRegistry asks a registry before and after it has lost an image.
func TestInventoryOfRegistry(t *testing.T) {
	addr, dir := startRegistry2(t, "", ""), scratch(t)
	image, _ := newSample(t, sample.Options{})
	name := seed(t, image, addr, "team/hello", "1")
	inventory := func(out string, sources ...string) string {
		path := filepath.Join(dir, out)
		drayage(t, append([]string{"inventory", "-o", path}, sources...)...).ok(t)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	layout := filepath.Join(dir, "images")
	drayage(t, "fetch", name, "-o", layout, "--platform", "all").ok(t)
	all := inventory("registry.inv", addr)
	equal(t, "the layout's inventory", inventory("layout.inv", layout), all)
	equal(t, "the repository's inventory", inventory("repository.inv", addr+"/team/hello"), all)
	thin := filepath.Join(dir, "thin.tar")
	drayage(t, "save", layout, "-o", thin, "--platform", "all",
		"--since", filepath.Join(dir, "registry.inv")).ok(t)
	drayage(t, "push", thin, addr+"/team/hello:2").ok(t)
	equal(t, "the inventory with a second tag", inventory("again.inv", addr), all)
	o := drayage(t, "inventory", addr+"/team/gone", name, "-o", filepath.Join(dir, "gone.inv"))
	o.ok(t)
	if !strings.Contains(o.stderr, "team/gone: it is not there, or it has no tags") {
		t.Errorf("%s", o.stderr)
	}
}

// TestInventoryOfPodman: podman answers as Docker does, and tells nothing that could be left out.
func TestInventoryOfPodman(t *testing.T) {
	p := newPodman(t)
	socket := "unix://" + filepath.Join(p.dir, "s")
	service := p.command("system", "service", "-t", "0", socket)
	s, err := startDaemon(p.dir, service.argv...)
	if err != nil {
		t.Fatal(err)
	}
	s.stopAfter(t)
	ask := drayageCommand(t, "inventory", "docker", "-o", filepath.Join(p.dir, "x.inv"))
	ask.env = []string{"DOCKER_HOST=" + socket}
	err = s.ready(func() error {
		_, err := os.Stat(strings.TrimPrefix(socket, "unix://"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	o := ask.run(t)
	if o.code != 2 || !strings.Contains(o.stderr, "the engine is podman's") {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
}
