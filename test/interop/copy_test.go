//go:build linux

package interop

import (
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
	"github.com/opencontainers/go-digest"

	"drayage/test/sample"
)

// copyPlaces are registries between which images are copied. olareg has the referrers API, which distribution
// has not.
var copyPlaces = []struct {
	name  string
	start func(t *testing.T) string
}{
	{"distribution 2.8", func(t *testing.T) string { return startRegistry2(t, "", "") }},
	{"distribution 3", startRegistry3},
	{"OCI only", func(t *testing.T) string { return startOCIOnly(t, ociOnly[0].status, ociOnly[0].body) }},
	{"olareg", startOlareg},
}

func startOlareg(t *testing.T) string {
	t.Helper()
	s := olareg.New(config.Config{
		Storage: config.ConfigStorage{StoreType: config.StoreDir, RootDir: scratch(t)},
		Log:     slog.New(slog.DiscardHandler),
	})
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return strings.TrimPrefix(server.URL, "http://")
}

// TestCopy copies an image with what belongs to it from each registry to each. The digests stay, the second
// copy moves nothing, and what skopeo pulls is the image.
func TestCopy(t *testing.T) {
	require(t, "docker-registry", "skopeo")
	for _, from := range copyPlaces {
		for _, to := range copyPlaces {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				image, here := newSample(t, sample.Options{Flavour: sample.OCI})
				source := from.start(t)
				name := seed(t, image, source, "team/app", "1")
				attached := attach(t, repository(source, "team/app"), image, here)

				addr := to.start(t)
				copied := drayage(t, "copy", name, addr+"/mirror/", "--referrers")
				equal(t, "copy prints", copied.ok(t), addr+"/mirror/team/app@"+image.Root.Digest.String())
				saysConverted(t, copied, false)
				again := drayage(t, "copy", name, addr+"/mirror/")
				again.ok(t)
				for _, want := range []string{"1 of 1 images are there already", "0 B transferred"} {
					if !strings.Contains(again.stderr, want) {
						t.Errorf("the second copy does not say %q:\n%s", want, again.stderr)
					}
				}
				attached.check(t, repository(addr, "mirror/team/app"))
				back := filepath.Join(scratch(t), "back")
				drayage(t, "fetch", addr+"/mirror/team/app:1", "-o", back, "--platform", "all").ok(t)
				drayage(t, "verify", back).ok(t)
				config := skopeo(t, "inspect", "--tls-verify=false", "--config", "--raw",
					"docker://"+addr+"/mirror/team/app:1")
				equal(t, "image ID by skopeo", digest.FromString(config), here.Config)
			})
		}
	}
}
