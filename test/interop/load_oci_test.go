//go:build linux

package interop

import (
	"path/filepath"
	"strings"
	"testing"

	"drayage/test/sample"
)

// ociSamples are the tars of --format oci that every engine has to take: both families of media types, one
// platform and all.
var ociSamples = []struct {
	name     string
	flavour  sample.Flavour
	platform []string
}{
	{"oci", sample.OCI, nil},
	{"docker", sample.Docker, nil},
	{"oci all", sample.OCI, []string{"--platform", "all"}},
	{"docker all", sample.Docker, []string{"--platform", "all"}},
}

func eachOCISample(t *testing.T, f func(t *testing.T, s savedSample, all bool)) {
	for _, o := range ociSamples {
		t.Run(o.name, func(t *testing.T) {
			image, here := newSample(t, sample.Options{Flavour: o.flavour})
			s := savedSample{tar: filepath.Join(scratch(t), "hello.tar"), platform: here}
			s.ref = seed(t, image, startRegistry3(t), "team/hello", "1")
			drayage(t, append([]string{"save", s.ref, "-o", s.tar, "--format", "oci"}, o.platform...)...).ok(t)
			f(t, s, o.platform != nil)
		})
	}
}

func TestDockerLoadsOCI(t *testing.T) {
	requireDocker(t)
	eachOCISample(t, func(t *testing.T, s savedSample, _ bool) {
		d := startDocker(t)
		equal(t, "docker load prints", d.run(t, "load", "-i", s.tar), "Loaded image: "+s.ref)
		equal(t, "image ID", d.id(t, s.ref), s.platform.Config.String())
		equal(t, "docker run prints", d.start(t, s.ref), s.platform.Output)
	})
}

func TestPodmanLoadsOCI(t *testing.T) {
	eachOCISample(t, func(t *testing.T, s savedSample, _ bool) {
		p := newPodman(t)
		p.run(t, "load", "-i", s.tar)
		equalAll(t, "podman images", p.names(t), []string{s.ref})
		equal(t, "image ID", p.id(t, s.ref), s.platform.Config.String())
		equal(t, "podman run prints", p.start(t, s.ref), s.platform.Output)
	})
}

func TestContainerdImportsOCI(t *testing.T) {
	eachOCISample(t, func(t *testing.T, s savedSample, all bool) {
		c := startContainerd(t)
		args := []string{"images", "import"}
		if all {
			args = append(args, "--all-platforms")
		}
		c.ctr(t, append(args, s.tar)...)
		equalAll(t, "ctr images ls", strings.Fields(c.ctr(t, "images", "ls", "-q")), []string{s.ref})
		equal(t, "ctr run prints", c.start(t, s.ref), s.platform.Output)
	})
}

// TestOCIDigestSurvives pushes the tar elsewhere: the digest is the one that the first registry has.
func TestOCIDigestSurvives(t *testing.T) {
	eachOCISample(t, func(t *testing.T, s savedSample, all bool) {
		which := []string{"digest", s.ref, "-q"}
		if all {
			which = append(which, "--list")
		}
		_, want, _ := strings.Cut(strings.TrimSpace(drayage(t, which...).ok(t)), "@")
		target := startRegistry3(t) + "/copy/hello:2"
		pushed := strings.TrimSpace(drayage(t, "push", s.tar, target).ok(t))
		if _, got, _ := strings.Cut(pushed, "@"); got != want || want == "" {
			t.Errorf("pushed as %s, the source has %s", got, want)
		}
	})
}

// TestEnginesLoadConvertedTar makes an OCI tar of a docker tar. Its layers are uncompressed, and
// manifest.json says so as Docker's does.
func TestEnginesLoadConvertedTar(t *testing.T) {
	requireDocker(t)
	s := saveSample(t, false)
	converted := filepath.Join(scratch(t), "converted.tar")
	drayage(t, "save", s.tar, "-o", converted, "--format", "oci").ok(t)
	d := startDocker(t)
	equal(t, "docker load prints", d.run(t, "load", "-i", converted), "Loaded image: "+s.ref)
	equal(t, "image ID in Docker", d.id(t, s.ref), s.platform.Config.String())
	p := newPodman(t)
	p.run(t, "load", "-i", converted)
	equal(t, "image ID in podman", p.id(t, s.ref), s.platform.Config.String())
	c := startContainerd(t)
	c.ctr(t, "images", "import", converted)
	equal(t, "ctr run prints", c.start(t, s.ref), s.platform.Output)
}
