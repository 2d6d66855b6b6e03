//go:build linux

package interop

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const releasedImage = "localhost/drayage:0.1.0"

// releaseImage makes the container image of a release, for this machine's platform and one other.
func releaseImage(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	out := filepath.Join(scratch(t), "release")
	platforms := "linux_arm64,linux_" + runtime.GOARCH
	if runtime.GOARCH == "arm64" {
		platforms = "linux_amd64,linux_arm64"
	}
	cmd := exec.CommandContext(ctx, "go", "run", "./cmd/release", "-dirty", "-only", "image",
		"-version", "v0.1.0", "-platforms", platforms, "-o", out)
	cmd.Dir = "../../release"
	cmd.Env = append(os.Environ(), "MINISIGN_KEY=")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, said)
	}
	return filepath.Join(out, "drayage_0.1.0_image.tar")
}

// TestEnginesRunReleasedImage loads the image of a release everywhere, and runs drayage in it as its own
// user. The image brings certificates and directories that any user can write into.
func TestEnginesRunReleasedImage(t *testing.T) {
	requireDocker(t)
	tar := releaseImage(t)
	version := func(t *testing.T, said string) {
		t.Helper()
		if !strings.HasPrefix(said, "drayage v0.1.0\n") {
			t.Errorf("it prints %q", said)
		}
	}
	t.Run("docker", func(t *testing.T) {
		d := startDocker(t)
		equal(t, "docker load prints", d.run(t, "load", "-i", tar), "Loaded image: "+releasedImage)
		version(t, d.start(t, releasedImage, "version"))
		equal(t, "user", d.run(t, "image", "inspect", "--format", "{{.Config.User}}", releasedImage), "65532:65532")
		version(t, d.run(t, "run", "--rm", "--read-only", "-u", "1234", releasedImage, "version"))
		// A registry that is not there is asked: without certificates, that would fail earlier.
		o := d.command("run", "--rm", releasedImage, "ls", "registry.invalid/a").run(t)
		if o.code != 5 || !strings.Contains(o.stderr, "registry.invalid") {
			t.Errorf("drayage ls: exit %d, %s", o.code, o.stderr)
		}
		// The image can save itself: /work takes files.
		said := d.run(t, "run", "--rm", "--network", "none", "-v", tar+":/image.tar:ro", releasedImage,
			"save", "/image.tar", "-o", "copy.tar", "--format", "oci")
		t.Log(said)
	})
	t.Run("podman", func(t *testing.T) {
		p := newPodman(t)
		p.run(t, "load", "-i", tar)
		equalAll(t, "podman images", p.names(t), []string{releasedImage})
		version(t, p.run(t, "run", "--rm", "--network", "none", releasedImage, "version"))
	})
	t.Run("containerd", func(t *testing.T) {
		c := startContainerd(t)
		c.ctr(t, "images", "import", "--all-platforms", tar)
		equalAll(t, "ctr images ls", strings.Fields(c.ctr(t, "images", "ls", "-q")), []string{releasedImage})
		version(t, c.ctr(t, "run", "--rm", releasedImage, "version", "/drayage", "version"))
	})
	t.Run("skopeo", func(t *testing.T) {
		require(t, "skopeo")
		for _, kind := range []string{"oci-archive:", "docker-archive:"} {
			said := run(t, "skopeo", "inspect", "--config", kind+tar)
			if !strings.Contains(said, `"/drayage"`) {
				t.Errorf("%s: %s", kind, said)
			}
		}
	})
	t.Run("drayage", func(t *testing.T) {
		drayage(t, "verify", tar).ok(t)
		if said := drayage(t, "inspect", tar).ok(t); !strings.Contains(said, "linux/arm64") {
			t.Errorf("inspect prints %s", said)
		}
	})
}
