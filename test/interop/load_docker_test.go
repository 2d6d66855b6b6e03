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

// savedSample is a docker-loadable tar that drayage wrote of the sample image.
type savedSample struct {
	tar, ref string
	platform sample.Platform
}

// saveSample seeds a registry with the sample image and saves it by way of a layout or straight from the
// registry.
func saveSample(t *testing.T, byLayout bool) savedSample {
	t.Helper()
	image, here := newSample(t, sample.Options{})
	dir := scratch(t)
	s := savedSample{tar: filepath.Join(dir, "hello.tar"), platform: here}
	s.ref = seed(t, image, startRegistry3(t), "team/hello", "1")
	source := s.ref
	if byLayout {
		source = filepath.Join(dir, "layout")
		drayage(t, "fetch", s.ref, "-o", source).ok(t)
	}
	saved := drayage(t, "save", source, "-o", s.tar)
	saved.ok(t)
	if want := "docker load -i " + s.tar; !slices.Contains(trimmedLines(saved.stderr), want) {
		t.Errorf("save does not show the line %q:\n%s", want, saved.stderr)
	}
	return s
}

func trimmedLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func TestDockerLoadsSample(t *testing.T) {
	requireDocker(t)
	for _, way := range sources {
		t.Run(way.name, func(t *testing.T) {
			s := saveSample(t, way.byLayout)
			for _, client := range clients(t) {
				d := startDocker(t)
				d.client = client
				equal(t, "docker load prints", d.run(t, "load", "-i", s.tar), "Loaded image: "+s.ref)
				equalAll(t, "docker images", d.names(t), []string{s.ref})
				equal(t, "image ID", d.id(t, s.ref), s.platform.Config.String())
				equal(t, "docker run prints", d.start(t, s.ref), s.platform.Output)
			}
		})
	}
}

// TestDockerLoadsStream is `drayage save -o - | docker load`.
func TestDockerLoadsStream(t *testing.T) {
	d := startDocker(t)
	image, here := newSample(t, sample.Options{})
	ref := seed(t, image, startRegistry3(t), "team/hello", "1")
	saved, loaded := pipe(t, drayageCommand(t, "save", ref, "-o", "-"), d.command("load"))
	saved.ok(t)
	equal(t, "docker load prints", loaded.ok(t), "Loaded image: "+ref)
	equal(t, "image ID", d.id(t, ref), here.Config.String())
	equal(t, "docker run prints", d.start(t, ref), here.Output)
}

// sources are the two ways from a registry to a tar.
var sources = []struct {
	name     string
	byLayout bool
}{{"layout", true}, {"registry", false}}

// clients are Debian's docker command and the one first on the PATH, where that is another.
func clients(t *testing.T) []string {
	t.Helper()
	first, err := find("docker")
	if err != nil {
		t.Fatal(err)
	}
	const debian = "/usr/bin/docker"
	a, errA := os.Stat(first)
	b, errB := os.Stat(debian)
	if errA == nil && errB == nil && !os.SameFile(a, b) {
		return []string{first, debian}
	}
	return []string{first}
}

// TestLoadManyImages has three names of one repository on two images that share a layer, a further image with
// layers of its own kind, and a name on Docker Hub, which Docker shows short.
func TestLoadManyImages(t *testing.T) {
	b := build(t)
	addr := startRegistry3(t)
	hello, helloHere := newSample(t, sample.Options{})
	other, otherHere := newSample(t, sample.Options{Flavour: sample.Docker, Text: "Another text.\n"})
	ids := map[string]string{
		seed(t, hello, addr, "team/hello", "1"):      helloHere.Config.String(),
		seed(t, hello, addr, "team/hello", "latest"): helloHere.Config.String(),
		seed(t, other, addr, "team/hello", "2"):      otherHere.Config.String(),
		seed(t, hello, addr, "library/hello", "hub"): helloHere.Config.String(),
	}
	for _, name := range []string{"built", "child"} {
		ref := addr + "/deep/path/to/" + name + ":1"
		b.run(t, "tag", name+":1", ref)
		b.run(t, "push", ref)
		ids[ref] = b.id(t, ref)
	}
	dir := scratch(t)
	layout, tar := filepath.Join(dir, "layout"), filepath.Join(dir, "many.tar")
	var refs []string
	for ref := range ids {
		refs = append(refs, ref)
	}
	slices.Sort(refs)
	drayage(t, slices.Concat([]string{"fetch", "-o", layout}, refs)...).ok(t)
	onHub := addr + "/library/hello:hub"
	replaceInFile(t, filepath.Join(layout, "index.json"), onHub, "docker.io/library/hello:hub")
	ids["hello:hub"] = ids[onHub]
	delete(ids, onHub)
	drayage(t, "save", layout, "-o", tar).ok(t)

	t.Run("docker", func(t *testing.T) { dockerLoadsMany(t, tar, ids) })
	t.Run("podman", func(t *testing.T) { podmanLoadsMany(t, tar, ids) })
	t.Run("containerd", func(t *testing.T) { containerdLoadsMany(t, tar, ids) })
}

func dockerLoadsMany(t *testing.T, tar string, ids map[string]string) {
	d := startDocker(t)
	d.run(t, "load", "-i", tar)
	checkNames(t, d.names(t), ids, "")
	for ref, id := range ids {
		equal(t, ref, d.id(t, ref), id)
		if d.start(t, ref) == "" {
			t.Errorf("%s prints nothing", ref)
		}
	}
}

// checkNames compares the names that an engine shows with those of the tar, where hub stands before a short
// one.
func checkNames(t *testing.T, got []string, ids map[string]string, hub string) {
	t.Helper()
	var want []string
	for ref := range ids {
		want = append(want, qualify(ref, hub))
	}
	slices.Sort(want)
	slices.Sort(got)
	equalAll(t, "names", got, want)
}

func qualify(ref, hub string) string {
	if strings.Contains(ref, "/") {
		return ref
	}
	return hub + ref
}

// replaceInFile renames an image of a layout.
func replaceInFile(t *testing.T, path, old, new string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	replaced := strings.ReplaceAll(string(content), old, new)
	if replaced == string(content) {
		t.Fatalf("%s does not name %s:\n%s", path, old, content)
	}
	writeFile(t, path, []byte(replaced), 0o644)
}
