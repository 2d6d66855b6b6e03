package roundtrip

import (
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"

	"drayage/test/registry3"
	"drayage/test/sample"
	"drayage/test/wire"
)

// otherRegistries are small registries by other authors. Each of them reads the specification in its own way.
// Some of them take no image before everything that it refers to is there.
var otherRegistries = []struct {
	name  string
	start func(t *testing.T) http.Handler
}{
	{"olareg in memory", func(t *testing.T) http.Handler { return startOlareg(t, config.StoreMem) }},
	{"olareg in a directory", func(t *testing.T) http.Handler { return startOlareg(t, config.StoreDir) }},
	{"go-containerregistry", func(t *testing.T) http.Handler {
		return ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)), ggcr.WithReferrersSupport(true))
	}},
	{"go-containerregistry without referrers, blobs in files", func(t *testing.T) http.Handler {
		files := ggcr.NewDiskBlobHandler(t.TempDir())
		return ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)), ggcr.WithBlobHandler(files))
	}},
	{"ocimem", func(*testing.T) http.Handler { return ociserver.New(ocimem.New(), nil) }},
	{"ocimem as strict as it can be", func(*testing.T) http.Handler {
		return ociserver.New(ocimem.NewWithConfig(&ocimem.Config{ImmutableTags: true}), &ociserver.Options{
			DisableSinglePostUpload: true, MaxListPageSize: 1000,
			OmitDigestFromTagGetResponse: true, OmitLinkHeaderFromResponses: true,
		})
	}},
}

func startOlareg(t *testing.T, store config.Store) http.Handler {
	t.Helper()
	s := olareg.New(config.Config{
		Storage: config.ConfigStorage{StoreType: store, RootDir: t.TempDir()},
		Log:     slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestOtherRegistries(t *testing.T) {
	for _, r := range otherRegistries {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(r.start(t))
			t.Cleanup(server.Close)
			carryOver(t, server)
		})
	}
}

// carryOver takes an image and a referrer from distribution's registry into another one and back, along every
// way that the command has.
func carryOver(t *testing.T, server *httptest.Server) {
	t.Helper()
	addr := strings.TrimPrefix(server.URL, "http://")
	repo := func(name string) *wire.Repository { return &wire.Repository{URL: server.URL, Name: name} }
	connected := startSite(t, registry3.Options{})
	img := connected.seed(t, "app", "1.0", sample.Options{})
	refer(t, connected.repo("app"), img.Root, "application/x-test")
	c := newCLI(t)
	c.must(t, "fetch", "--platform", "all", "--referrers", connected.Addr()+"/app:1.0", "-o", "images")

	c.must(t, "push", "--referrers", "images", addr+"/team/")
	checkWhole(t.Context(), t, repo("team/app"), "1.0", img)
	again := c.must(t, "push", "images", addr+"/team/")
	if want := addr + "/team/app@" + img.Root.Digest.String(); strings.TrimSpace(again.stdout) != want {
		t.Errorf("a second push prints %q, want %q", again.stdout, want)
	}
	c.must(t, "push", "images", addr+"/mounted/app:2") // from the other repository, where the registry can
	checkWhole(t.Context(), t, repo("mounted/app"), "2", img)
	if r := c.must(t, "ls", addr+"/team/app"); !strings.Contains(r.stdout, "1.0\n") {
		t.Errorf("ls shows %q", r.stdout)
	}
	c.must(t, "fetch", "--platform", "all", "--referrers", addr+"/team/app:1.0", "-o", "back")
	c.must(t, "verify", "back")
	if r := c.must(t, "inspect", "back"); !strings.Contains(r.stdout, "application/x-test") {
		t.Errorf("the referrer did not come back: %s", r)
	}
	c.must(t, "save", addr+"/team/app:1.0", "-o", "docker.tar")
	c.must(t, "verify", "docker.tar")
	c.must(t, "push", "docker.tar", addr+"/docker/app:1.0")
	checkServed(t, repo("docker/app"), "1.0", host(t, img))
	c.must(t, "save", "--format", "oci", "--platform", "all", addr+"/team/app:1.0", "-o", "oci.tar")
	c.must(t, "push", "oci.tar", addr+"/oci/app:1.0")
	checkWhole(t.Context(), t, repo("oci/app"), "1.0", img)
}
