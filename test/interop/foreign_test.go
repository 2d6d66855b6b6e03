//go:build linux

package interop

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/registry3"
	"drayage/test/wire"
)

// families are what the two call a layer that registries need not have.
var families = []struct{ name, manifest, config, layer string }{
	{"docker", wire.DockerManifest, wire.DockerConfig,
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"},
	{"oci", v1.MediaTypeImageManifest, v1.MediaTypeImageConfig,
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"},
}

// layerServer gives out one layer, to whoever asks, and remembers what it was asked with.
type layerServer struct {
	*httptest.Server
	layer storedLayer

	mu    sync.Mutex
	asked []http.Header
}

func serveLayer(t *testing.T) *layerServer {
	t.Helper()
	s := &layerServer{layer: kindOf(t, 0, oneFile(t, "foreign"))}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, req.Header.Clone())
		s.mu.Unlock()
		http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(s.layer.stored))
	}))
	t.Cleanup(s.Close)
	s.layer.urls = []string{s.URL + "/layer"}
	return s
}

// image puts an image with that layer into a registry, which does not get the layer.
func (s *layerServer) image(t *testing.T, addr string, family int) builtImage {
	t.Helper()
	f := families[family]
	s.layer.mediaType = f.layer
	return putTyped(t, addr, "win/app", "1", f.manifest, f.config, s.layer)
}

// welcoming are registries that take manifests with addresses of foreign layers, which both refuse unless
// they are told.
var welcoming = []struct {
	name  string
	start func(*testing.T) string
}{
	{"docker-registry 2.8", func(t *testing.T) string {
		return startRegistry2With(t, "validation: {manifests: {urls: {allow: [\"^http://127\"]}}}\n")
	}},
	{"distribution 3", func(t *testing.T) string {
		server, err := registry3.Start(t.Context(), registry3.Options{URLs: []string{"^http://127"}})
		if err != nil {
			t.Fatal(err)
		}
		return server.Addr()
	}},
}

// TestForeignLayers carries an image whose lowest layer no registry has, with that layer and without it.
func TestForeignLayers(t *testing.T) {
	for _, registry := range welcoming {
		for family, f := range families {
			t.Run(registry.name+"/"+f.name, func(t *testing.T) { carryForeign(t, registry.start, family) })
		}
	}
}

func carryForeign(t *testing.T, start func(*testing.T) string, family int) {
	server := serveLayer(t)
	im := server.image(t, start(t), family)
	layout, tar := filepath.Join(scratch(t), "layout"), filepath.Join(scratch(t), "win.tar")
	refused := drayage(t, "fetch", im.ref, "-o", layout)
	if refused.code != 3 || !strings.Contains(refused.stderr, "--foreign-urls") || len(server.asked) != 0 {
		t.Errorf("without the flag: exit %d, asked %d times\n%s", refused.code, len(server.asked), refused.stderr)
	}
	drayage(t, "fetch", im.ref, "-o", layout, "--foreign-urls", "--creds", "me:secret").ok(t)
	for _, header := range server.asked {
		if header.Get("Authorization") != "" {
			t.Error("the address was given credentials")
		}
	}
	drayage(t, "save", layout, "-o", tar).ok(t)
	loadsForeign(t, im, tar)

	pushForeign(t, im, layout, start(t), 3)
	hex := digest.FromBytes(server.layer.stored).Encoded()
	if err := os.Remove(filepath.Join(layout, "blobs/sha256", hex)); err != nil {
		t.Fatal(err)
	}
	drayage(t, "verify", layout).ok(t)
	pushForeign(t, im, layout, start(t), 2)
}

// loadsForeign compares the tar with the image in Docker and with what skopeo makes of the same image.
func loadsForeign(t *testing.T, im builtImage, tar string) {
	t.Helper()
	requireDocker(t)
	d := startDocker(t)
	d.run(t, "load", "-i", tar)
	equal(t, "image ID", d.id(t, im.ref), im.id)
	equal(t, "docker run prints", d.start(t, im.ref), im.output)
	equalAll(t, "layers", skopeoLayers(t, "docker-archive:"+tar),
		skopeoLayers(t, "docker-archive:"+skopeoSaves(t, im)))
}

func skopeoSaves(t *testing.T, im builtImage) string {
	t.Helper()
	tar := filepath.Join(scratch(t), "skopeo.tar")
	skopeo(t, "copy", "--src-tls-verify=false", "docker://"+im.ref, "docker-archive:"+tar)
	return tar
}

// pushForeign pushes the layout and counts the layers and configurations that have arrived.
func pushForeign(t *testing.T, im builtImage, layout, addr string, want int) {
	t.Helper()
	pushed := drayage(t, "push", layout, addr+"/copy/")
	_, got, _ := strings.Cut(pushed.ok(t), "@")
	equal(t, "digest", got, im.digest.String())
	m, _ := readManifest(t, addr, "copy/win/app", "1")
	there := 0
	for _, d := range append(m.Layers, m.Config) {
		if blob, err := repository(addr, "copy/win/app").Blob(t.Context(), d.Digest); err == nil {
			blob.Close()
			there++
		}
	}
	equal(t, "blobs that are there", there, want)
	if !strings.Contains(pushed.stderr, "note: foreign layer") {
		t.Errorf("push does not speak of the foreign layer:\n%s", pushed.stderr)
	}
}

// TestForeignLayersRefused pushes to registries as they are installed.
func TestForeignLayersRefused(t *testing.T) {
	server := serveLayer(t)
	im := server.image(t, welcoming[1].start(t), 0)
	layout := filepath.Join(scratch(t), "layout")
	drayage(t, "fetch", im.ref, "-o", layout, "--foreign-urls").ok(t)
	for _, registry := range registries {
		t.Run(registry.name, func(t *testing.T) {
			refused := drayage(t, "push", layout, registry.start(t)+"/copy/")
			if refused.code == 0 || !strings.Contains(refused.stderr, "validation.manifests.urls.allow") {
				t.Errorf("exit %d:\n%s", refused.code, refused.stderr)
			}
		})
	}
}
