//go:build linux

package interop

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/sample"
)

// thinSample is an update: the engine has the old image, and the archive has what the new one adds. Both
// images have the program as their first layer.
type thinSample struct {
	oldTar, thin string
	old, new     string // references
	here         sample.Platform
	layout       string // of the old image
	shared       v1.Descriptor
}

// newThin saves an image without its first layer.
func newThin(t *testing.T, flavour sample.Flavour) thinSample {
	t.Helper()
	addr, dir := startRegistry3(t), scratch(t)
	first, _ := newSample(t, sample.Options{Flavour: flavour})
	next, here := newSample(t, sample.Options{Flavour: flavour, Text: "The text of the update.\n"})
	s := thinSample{oldTar: filepath.Join(dir, "old.tar"), thin: filepath.Join(dir, "thin.tar"), here: here,
		layout: filepath.Join(dir, "old")}
	s.old, s.new = seed(t, first, addr, "team/hello", "1"), seed(t, next, addr, "team/hello", "2")
	drayage(t, "save", s.old, "-o", s.oldTar, "--format", "oci").ok(t)
	drayage(t, "fetch", s.old, "-o", s.layout).ok(t)
	drayage(t, "save", s.new, "-o", s.thin, "--since", s.oldTar).ok(t)
	stored, _ := readManifest(t, addr, "team/hello", here.Manifest.Digest.String())
	s.shared = stored.Layers[0]
	if inTar(t, s.thin, blobName(s.shared)) || !inTar(t, s.thin, blobName(stored.Layers[1])) {
		t.Fatalf("the thin archive should lack %s and no other layer", s.shared.Digest)
	}
	return s
}

func blobName(d v1.Descriptor) string { return "blobs/sha256/" + d.Digest.Encoded() }

func inTar(t *testing.T, file, name string) bool {
	t.Helper()
	for _, line := range sortedLines(run(t, "tar", "-tf", file)) {
		if line == name {
			return true
		}
	}
	return false
}

func eachThin(t *testing.T, f func(t *testing.T, s thinSample)) {
	for _, flavour := range []sample.Flavour{sample.OCI, sample.Docker} {
		t.Run(flavour.String(), func(t *testing.T) { f(t, newThin(t, flavour)) })
	}
}

// wantsBase asks that an engine takes nothing of an archive whose base it lacks.
func wantsBase(t *testing.T, load invocation, images func() string) {
	t.Helper()
	o := load.run(t)
	if o.code == 0 {
		t.Errorf("%s takes an archive without its base: %s", o.command, o.stdout)
	}
	if left := images(); left != "" {
		t.Errorf("%s has left %s", o.command, left)
	}
}

func TestDockerLoadsThin(t *testing.T) {
	requireDocker(t)
	eachThin(t, func(t *testing.T, s thinSample) {
		d := startDocker(t)
		wantsBase(t, d.command("load", "-i", s.thin), func() string { return strings.Join(d.names(t), " ") })
		d.run(t, "load", "-i", s.oldTar)
		equal(t, "docker load prints", d.run(t, "load", "-i", s.thin), "Loaded image: "+s.new)
		equal(t, "image ID", d.id(t, s.new), s.here.Config.String())
		equal(t, "docker run prints", d.start(t, s.new), s.here.Output)
	})
}

func TestPodmanLoadsThin(t *testing.T) {
	eachThin(t, func(t *testing.T, s thinSample) {
		p := newPodman(t)
		wantsBase(t, p.command("load", "-i", s.thin), func() string { return strings.Join(p.names(t), " ") })
		p.run(t, "load", "-i", s.oldTar)
		p.run(t, "load", "-i", s.thin)
		equal(t, "image ID", p.id(t, s.new), s.here.Config.String())
		equal(t, "podman run prints", p.start(t, s.new), s.here.Output)
	})
}

func TestContainerdImportsThin(t *testing.T) {
	eachThin(t, func(t *testing.T, s thinSample) {
		c := startContainerd(t)
		load := invocation{argv: []string{"ctr", "-a", c.socket, "-n", "drayage", "images", "import", s.thin}}
		wantsBase(t, load, func() string { return "" }) // it keeps the name, and cannot run it
		c.ctr(t, "images", "import", s.oldTar)
		c.ctr(t, "images", "import", s.thin)
		equal(t, "ctr run prints", c.start(t, s.new), s.here.Output)
	})
}

// TestSkopeoCopiesThin takes the archive to a store of containers and to a registry, with the base and
// without.
func TestSkopeoCopiesThin(t *testing.T) {
	require(t, "skopeo")
	requireRoot(t)
	eachThin(t, func(t *testing.T, s thinSample) {
		dir := scratch(t)
		store := "containers-storage:[vfs@" + filepath.Join(dir, "root") + "+" + filepath.Join(dir, "run") + "]"
		copying := func(from, to string) invocation {
			return invocation{argv: []string{"skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false",
				"oci-archive:" + from, to}}
		}
		wantsBase(t, copying(s.thin, store+s.new), func() string { return "" })
		copying(s.oldTar, store+s.old).run(t).ok(t)
		copying(s.thin, store+s.new).run(t).ok(t)
		equal(t, "image ID in the store", digest.FromString(skopeo(t, "inspect", "--config", "--raw", store+s.new)),
			s.here.Config)

		addr := startRegistry3(t)
		wantsBase(t, copying(s.thin, "docker://"+addr+"/team/hello:2"), func() string { return "" })
		copying(s.oldTar, "docker://"+addr+"/team/hello:1").run(t).ok(t)
		copying(s.thin, "docker://"+addr+"/team/hello:2").run(t).ok(t)
		_, got := readManifest(t, addr, "team/hello", "2")
		equal(t, "digest", got, s.here.Manifest.Digest)
	})
}

// TestPushOfThin: with the base in the registry the digest arrives, without it nothing does.
func TestPushOfThin(t *testing.T) {
	require(t, "docker-registry")
	eachThin(t, func(t *testing.T, s thinSample) {
		addr := startRegistry2(t, "", "") // of its own: blobs are mounted from everywhere
		name := strings.ToLower(filepath.Base(t.Name()))
		bare := drayage(t, "push", s.thin, addr+"/"+name+"/hello:2")
		equal(t, "exit code without the base", bare.code, 3)
		for _, want := range []string{s.shared.Digest.String(), "team/hello:2"} {
			if !strings.Contains(bare.stderr, want) {
				t.Errorf("push does not name %s:\n%s", want, bare.stderr)
			}
		}
		if _, err := repository(addr, name+"/hello").Manifest(t.Context(), "2"); err == nil {
			t.Error("the image is there")
		}
		drayage(t, "push", s.oldTar, addr+"/"+name+"/hello:1").ok(t)
		drayage(t, "push", s.thin, addr+"/"+name+"/hello:2").ok(t)
		_, got := readManifest(t, addr, name+"/hello", "2")
		equal(t, "digest", got, s.here.Manifest.Digest)
	})
}

// TestEnginesLoadRestored makes the whole archive of a thin one and its base.
func TestEnginesLoadRestored(t *testing.T) {
	requireDocker(t)
	s := newThin(t, sample.OCI)
	for _, base := range []string{s.oldTar, s.layout} {
		full := filepath.Join(scratch(t), "full.tar")
		drayage(t, "save", s.thin, "--base", base, "-o", full).ok(t)
		direct := filepath.Join(scratch(t), "direct.tar")
		drayage(t, "save", s.new, "--format", "oci", "-o", direct).ok(t)
		run(t, "cmp", full, direct)
		if base == s.oldTar {
			d := startDocker(t)
			d.run(t, "load", "-i", full)
			equal(t, "docker run prints", d.start(t, s.new), s.here.Output)
		}
	}
}
