//go:build linux

package interop

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"drayage/test/sample"
)

// packedSample is the sample image in a tar that is compressed as a whole, in both formats.
type packedSample struct {
	ref      string
	platform sample.Platform
	tars     map[string]string // by format
}

func packSample(t *testing.T, kind string) packedSample {
	t.Helper()
	image, here := newSample(t, sample.Options{})
	dir := scratch(t)
	s := packedSample{platform: here, tars: map[string]string{}}
	s.ref = seed(t, image, startRegistry3(t), "team/hello", "1")
	for _, format := range []string{"docker", "oci"} {
		s.tars[format] = filepath.Join(dir, format+".tar."+kind)
		saved := drayage(t, "save", s.ref, "-o", s.tars[format], "--format", format, "--compress", kind)
		saved.ok(t)
		if want := "docker load -i " + s.tars[format]; !slices.Contains(trimmedLines(saved.stderr), want) {
			t.Errorf("save does not show the line %q:\n%s", want, saved.stderr)
		}
	}
	return s
}

func TestDockerLoadsCompressed(t *testing.T) {
	requireDocker(t)
	s := packSample(t, "gzip")
	for format, tar := range s.tars {
		t.Run(format, func(t *testing.T) {
			d := startDocker(t)
			equal(t, "docker load prints", d.run(t, "load", "-i", tar), "Loaded image: "+s.ref)
			equal(t, "image ID", d.id(t, s.ref), s.platform.Config.String())
			equal(t, "docker run prints", d.start(t, s.ref), s.platform.Output)
		})
	}
}

// TestDockerLoadsCompressedStream is `drayage save --compress gzip -o - | docker load`.
func TestDockerLoadsCompressedStream(t *testing.T) {
	d := startDocker(t)
	image, here := newSample(t, sample.Options{})
	ref := seed(t, image, startRegistry3(t), "team/hello", "1")
	saved, loaded := pipe(t, drayageCommand(t, "save", ref, "-o", "-", "--compress", "gzip"), d.command("load"))
	saved.ok(t)
	equal(t, "docker load prints", loaded.ok(t), "Loaded image: "+ref)
	equal(t, "image ID", d.id(t, ref), here.Config.String())
}

// TestOthersLoadCompressed leaves out containerd, whose ctr takes no compressed tar before 2.0.
func TestOthersLoadCompressed(t *testing.T) {
	require(t, "skopeo")
	for _, kind := range []string{"gzip", "zstd"} {
		t.Run(kind, func(t *testing.T) {
			s := packSample(t, kind)
			for format, tar := range s.tars {
				sources := []string{"docker-archive:" + tar}
				if format == "oci" {
					sources = append(sources, "oci-archive:"+tar)
				}
				if kind == "gzip" && !readsGzip(t, s.ref) {
					t.Logf("docker-archive:%s is not tried: no file from gzip itself can be read either", tar)
					sources = sources[1:]
				}
				for _, source := range sources {
					config := skopeo(t, "inspect", "--config", "--raw", source)
					equal(t, "skopeo: image ID of "+source, digest.FromString(config), s.platform.Config)
				}
				if len(sources) == 0 {
					continue
				}
				p := newPodman(t)
				p.run(t, "load", "-i", tar)
				equal(t, "podman: image ID, "+format, p.id(t, s.ref), s.platform.Config.String())
				equal(t, "podman run prints, "+format, p.start(t, s.ref), s.platform.Output)
			}
		})
	}
}

// readsGzip reports whether the library below skopeo and podman reads a docker tar that the program gzip
// compressed. That of Debian 12 does not (https://github.com/containers/podman/issues/15944).
func readsGzip(t *testing.T, ref string) bool {
	t.Helper()
	require(t, "gzip")
	tar := filepath.Join(scratch(t), "plain.tar")
	drayage(t, "save", ref, "-o", tar).ok(t)
	invocation{argv: []string{"gzip", tar}}.run(t).ok(t)
	return invocation{argv: []string{"skopeo", "inspect", "--config", "--raw", "docker-archive:" + tar +
		".gz"}}.run(t).code == 0
}
