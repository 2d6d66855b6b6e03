//go:build linux

package interop

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// newTags are given with --tag, and what each engine calls them.
var newTags = []string{"registry.example:5000/team/app:2", "short", "docker.io/library/other:3"}

// named are the names that an engine shows of newTags, where hub stands before those of Docker Hub.
func named(hub string) []string {
	return slices.Sorted(slices.Values([]string{hub + "other:3", hub + "short:latest",
		"registry.example:5000/team/app:2"}))
}

// nameless are sources of an image without a name.
var nameless = []struct {
	name string
	make func(t *testing.T, im builtImage) string
}{
	{"registry by digest", func(_ *testing.T, im builtImage) string { return im.byDigest() }},
	{"layout by digest", func(t *testing.T, im builtImage) string {
		layout := filepath.Join(scratch(t), "layout")
		drayage(t, "fetch", im.byDigest(), "-o", layout).ok(t)
		return layout
	}},
	{"docker save by ID", func(t *testing.T, im builtImage) string {
		d := startDocker(t)
		d.run(t, "pull", im.ref)
		return saveImages(t, d, im.id)
	}},
	{"skopeo oci-archive", func(t *testing.T, im builtImage) string {
		tar := filepath.Join(scratch(t), "skopeo.tar")
		skopeo(t, "copy", "--src-tls-verify=false", "docker://"+im.ref, "oci-archive:"+tar)
		return tar
	}},
}

func (im builtImage) byDigest() string {
	return im.ref[:strings.LastIndex(im.ref, ":")] + "@" + im.digest.String()
}

// TestNamesOfNamelessImages checks what engines call an image that had no name with a tag: what --tag says,
// and else nothing, or the name with a digest.
func TestNamesOfNamelessImages(t *testing.T) {
	requireDocker(t)
	im := putImage(t, startRegistry3(t), "team/app", "1", kindOf(t, 0, oneFile(t, "a file")))
	for _, from := range nameless {
		t.Run(from.name, func(t *testing.T) {
			source := from.make(t, im)
			for _, format := range []string{"docker", "oci"} {
				bare, tagged := filepath.Join(scratch(t), "bare.tar"), filepath.Join(scratch(t), "tagged.tar")
				drayage(t, "save", source, "-o", bare, "--format", format).ok(t)
				args := []string{"save", source, "-o", tagged, "--format", format}
				for _, name := range newTags {
					args = append(args, "--tag", name)
				}
				drayage(t, args...).ok(t)
				t.Run(format+"/docker", func(t *testing.T) { dockerNames(t, im, bare, tagged) })
				t.Run(format+"/podman", func(t *testing.T) { podmanNames(t, im, bare, tagged) })
				t.Run(format+"/containerd", func(t *testing.T) { containerdNames(t, im, tagged) })
			}
		})
	}
}

func dockerNames(t *testing.T, im builtImage, bare, tagged string) {
	d := startDocker(t)
	d.run(t, "load", "-i", bare)
	equalAll(t, "docker images", d.names(t), []string{"<none>:<none>"})
	equal(t, "image ID", d.id(t, im.id), im.id)
	d.run(t, "load", "-i", tagged)
	equalAll(t, "docker images with --tag", d.names(t), named(""))
	for _, name := range named("") {
		equal(t, "image ID of "+name, d.id(t, name), im.id)
		equal(t, "docker run "+name, d.start(t, name), im.output)
	}
}

func podmanNames(t *testing.T, im builtImage, bare, tagged string) {
	p := newPodman(t)
	p.run(t, "load", "-i", bare)
	repository, _, digested := strings.Cut(drayage(t, "ls", "-q", bare).ok(t), "@") // podman keeps a single one
	if !digested {
		repository = "<none>"
	}
	equalAll(t, "podman images", p.names(t), []string{repository + ":<none>"})
	equal(t, "image ID", p.id(t, strings.TrimPrefix(im.id, "sha256:")), im.id)
	p.run(t, "load", "-i", tagged)
	got := p.names(t)
	slices.Sort(got)
	equalAll(t, "podman images with --tag", got, named(hub))
	for _, name := range named(hub) {
		equal(t, "image ID of "+name, p.id(t, name), im.id)
		equal(t, "podman run "+name, p.start(t, name), im.output)
	}
}

// TestPinnedNames checks what engines make of an OCI tar with two images that were asked for by their digests
// and one of them with a tag too. Docker and podman take the names with tags, skopeo finds these, and
// containerd takes all.
func TestPinnedNames(t *testing.T) {
	requireDocker(t)
	addr := startRegistry3(t)
	one := putImage(t, addr, "team/app", "1", kindOf(t, 0, oneFile(t, "first")))
	two := putImage(t, addr, "team/app", "2", kindOf(t, 0, oneFile(t, "second")))
	layout, tar := filepath.Join(scratch(t), "layout"), filepath.Join(scratch(t), "pinned.tar")
	drayage(t, "fetch", one.byDigest(), two.byDigest(), one.ref, "-o", layout).ok(t)
	drayage(t, "save", layout, "-o", tar, "--format", "oci").ok(t)
	t.Run("docker", func(t *testing.T) {
		d := startDocker(t)
		d.run(t, "load", "-i", tar)
		equalAll(t, "docker images", d.names(t), []string{one.ref, "<none>:<none>"})
		equal(t, "image ID", d.id(t, two.id), two.id)
	})
	t.Run("podman", func(t *testing.T) {
		p := newPodman(t)
		p.run(t, "load", "-i", tar)
		got := p.names(t)
		slices.Sort(got)
		equalAll(t, "podman images", got, []string{one.ref, "<none>:<none>"})
		equal(t, "image ID", p.id(t, strings.TrimPrefix(two.id, "sha256:")), two.id)
	})
	t.Run("containerd", func(t *testing.T) {
		c := startContainerd(t)
		c.ctr(t, "images", "import", tar)
		got := strings.Fields(c.ctr(t, "images", "ls", "-q"))
		slices.Sort(got)
		want := []string{one.ref, one.byDigest(), two.byDigest()}
		slices.Sort(want)
		equalAll(t, "ctr images ls", got, want)
		equal(t, "ctr run by digest", c.start(t, two.byDigest()), two.output)
	})
	t.Run("skopeo", func(t *testing.T) {
		skopeo(t, "copy", "oci-archive:"+tar+":1", "dir:"+filepath.Join(scratch(t), "dir"))
		skopeo(t, "copy", "docker-archive:"+tar+":"+one.ref, "dir:"+filepath.Join(scratch(t), "dir2"))
	})
}

// containerdNames leaves out the tar without a name: ctr keeps nothing that it has no name for.
func containerdNames(t *testing.T, im builtImage, tagged string) {
	c := startContainerd(t)
	c.ctr(t, "images", "import", tagged)
	got := strings.Fields(c.ctr(t, "images", "ls", "-q"))
	slices.Sort(got)
	equalAll(t, "ctr images ls with --tag", got, named(hub))
	for _, name := range named(hub) {
		c.check(t, name)
		equal(t, "ctr run "+name, c.start(t, name), im.output)
	}
}
