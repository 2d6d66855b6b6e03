//go:build linux

package interop

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/test/registry3"
	"drayage/test/sample"
	"drayage/test/wire"
)

// ociOnly are the ways in which registries refuse Docker's media types.
var ociOnly = []struct {
	name, body string
	status     int
}{
	{"415", "", http.StatusUnsupportedMediaType}, // zot
	{"415 UNSUPPORTED", `{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}`,
		http.StatusUnsupportedMediaType},
	{"400 MANIFEST_INVALID", `{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid"}]}`,
		http.StatusBadRequest},
}

// startOCIOnly runs distribution 3 as a registry that takes no manifests of Docker's media types, and no
// manifests with anything of such a type in an index.
func startOCIOnly(t *testing.T, status int, body string) string {
	t.Helper()
	return startRegistry(t, registry3.Options{Wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") &&
				!strings.HasPrefix(r.Header.Get("Content-Type"), "application/vnd.oci.") {
				io.Copy(io.Discard, r.Body)
				w.WriteHeader(status)
				io.WriteString(w, body)
				return
			}
			next.ServeHTTP(w, r)
		})
	}}).Addr()
}

// TestOCIOnlyTakesSavedImage pushes what docker save wrote into registries that do not take Docker's
// manifests. Docker pulls it from there as the image that it was.
func TestOCIOnlyTakesSavedImage(t *testing.T) {
	b := build(t)
	tar := saveImages(t, b, "built:1")
	for _, kind := range ociOnly {
		t.Run(kind.name, func(t *testing.T) {
			addr := startOCIOnly(t, kind.status, kind.body)
			pushed := drayage(t, "push", tar, addr+"/team/built:1")
			_, dgst := readManifest(t, addr, "team/built", "1")
			equal(t, "push prints", pushed.ok(t), addr+"/team/built@"+dgst.String())
			saysConverted(t, pushed, true)
			checkPulled(t, b, "built:1", addr+"/team/built:1")
			copied := filepath.Join(scratch(t), "copied.tar")
			skopeo(t, "copy", "--src-tls-verify=false", "docker://"+addr+"/team/built:1", "docker-archive:"+copied)
			equal(t, "image ID by skopeo", digest.FromString(skopeo(t, "inspect", "--config", "--raw",
				"docker-archive:"+copied)).String(), b.id(t, "built:1"))
		})
	}
}

func saysConverted(t *testing.T, pushed outcome, want bool) {
	t.Helper()
	if strings.Contains(pushed.stderr, "converted") != want {
		t.Errorf("said that media types were converted: %t, want %t\n%s", !want, want, pushed.stderr)
	}
}

// TestOCIOnlyTakesLayout does so with a layout that holds Docker's manifest list. What is OCI's already stays
// as it is.
func TestOCIOnlyTakesLayout(t *testing.T) {
	require(t, "skopeo")
	for _, flavour := range []sample.Flavour{sample.Docker, sample.OCI} {
		for _, kind := range ociOnly {
			t.Run(flavour.String()+" "+kind.name, func(t *testing.T) {
				image, here := newSample(t, sample.Options{Flavour: flavour})
				layout := filepath.Join(scratch(t), "layout")
				drayage(t, "fetch", seed(t, image, startRegistry3(t), "team/app", "1"), "-o", layout, "--platform",
					"all").ok(t)
				addr := startOCIOnly(t, kind.status, kind.body)
				pushed := drayage(t, "push", layout, addr+"/team/app:1")
				root, err := repository(addr, "team/app").Manifest(t.Context(), "1")
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "push prints", pushed.ok(t), addr+"/team/app@"+root.Digest.String())
				saysConverted(t, pushed, flavour == sample.Docker)
				if flavour == sample.OCI {
					equal(t, "digest", root.Digest, image.Root.Digest)
				}
				checkOCI(t, addr, root, image)
				config := skopeo(t, "inspect", "--tls-verify=false", "--config", "--raw", "docker://"+addr+"/team/app:1")
				equal(t, "image ID by skopeo", digest.FromString(config), here.Config)
				skopeo(t, "copy", "--all", "--src-tls-verify=false", "docker://"+addr+"/team/app:1",
					"dir:"+filepath.Join(scratch(t), "copied"))
			})
		}
	}
}

// checkOCI wants OCI's media types everywhere, and for each platform the image that it was.
func checkOCI(t *testing.T, addr string, root wire.Manifest, image *sample.Image) {
	t.Helper()
	var index v1.Index
	if err := json.Unmarshal(root.Raw, &index); err != nil {
		t.Fatal(err)
	}
	equal(t, "media type of the index", root.MediaType+" "+index.MediaType, v1.MediaTypeImageIndex+" "+
		v1.MediaTypeImageIndex)
	equal(t, "number of platforms", len(index.Manifests), len(image.Platforms))
	for i, child := range index.Manifests {
		m, _ := readManifest(t, addr, "team/app", child.Digest.String())
		equal(t, "platform", sample.Name(*child.Platform), sample.Name(image.Platforms[i].Platform))
		equal(t, "media type of a manifest", child.MediaType+" "+m.MediaType, v1.MediaTypeImageManifest+" "+
			v1.MediaTypeImageManifest)
		equal(t, "image ID", m.Config.Digest, image.Platforms[i].Config)
		equal(t, "media type of a configuration", m.Config.MediaType, v1.MediaTypeImageConfig)
		for _, layer := range m.Layers {
			equal(t, "media type of a layer", layer.MediaType, v1.MediaTypeImageLayerGzip)
		}
	}
}
