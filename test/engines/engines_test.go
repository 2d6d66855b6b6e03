package engines

import (
	"context"
	"encoding/pem"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	docker1 "github.com/containerd/containerd/remotes/docker"
	config1 "github.com/containerd/containerd/remotes/docker/config"
	docker2 "github.com/containerd/containerd/v2/core/remotes/docker"
	config2 "github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rancher/wharfie/pkg/registries"

	"drayage/internal/fakeregistry"
	"drayage/internal/mirrorconf"
	"drayage/registry"
	"drayage/upload"
)

// names are those that stay in use. Nobody here reaches their registries.
var names = []string{"docker.io/library/sample:1", "quay.io/team/app:1", "localhost:5999/tool:2"}

// ways are those to push to a mirror.
var ways = []struct {
	name, path string
	tls        string // how its certificate is checked, or empty for none
	renaming   upload.Renaming
	fallback   bool
}{
	{"root", "/", "", upload.Renaming{}, false},
	{"prefix", "/corp/mirror/", "CA", upload.Renaming{}, false},
	{"keep the host", "/corp/", "skip", upload.Renaming{KeepHost: true}, false},
	{"fallback", "/corp/", "CA", upload.Renaming{}, true},
	// Not at the root: the library of k3s takes the name x of docker.io for library/x, also where it rewrites.
	{"flatten", "/flat/", "", upload.Renaming{Flatten: true}, false},
}

// mirrored is a mirror that has the images, and what an engine needs for it, in a folder.
type mirrored struct {
	dir  string
	want []digest.Digest
}

// mirror makes a mirror in one of the ways.
func mirror(t *testing.T, way int, engine string) mirrored {
	t.Helper()
	w, reg := ways[way], fakeregistry.New()
	server := httptest.NewUnstartedServer(reg)
	m := mirrorconf.Mirror{Fallback: w.fallback, SkipVerify: w.tls == "skip"}
	if w.tls == "" {
		server.Start()
	} else {
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	if w.tls == "CA" {
		err := m.Trust(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
		if err != nil {
			t.Fatal(err)
		}
	}
	dest, err := upload.ParseDestination(strings.SplitN(server.URL, "://", 2)[1] + w.path)
	if err == nil {
		dest, err = dest.Rename(w.renaming)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.At(server.URL, dest.Registry())
	made := mirrored{dir: t.TempDir()}
	images := mirrorconf.Gathering{Place: dest.Place}
	for _, n := range names {
		ref, err := registry.ParseReference(n)
		if err == nil {
			err = images.Add(ref, "")
		}
		if err != nil {
			t.Fatal(err)
		}
		to := images.Images[len(images.Images)-1].To
		layer := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"name": n}))
		im := fakeregistry.Image{Layers: []fakeregistry.Layer{layer}}
		made.want = append(made.want, reg.PutImage(to.Repository, to.Tag, im).Digest)
	}
	parts := []mirrorconf.Part{mirrorconf.New(m, images.Images).Part(engine, "DIR")}
	for i, f := range parts[0].Files { // paths on the nodes
		parts[0].Files[i].Content = strings.ReplaceAll(f.Content, "/etc/rancher/"+engine+"/",
			filepath.Join(made.dir, engine)+"/")
	}
	if err := mirrorconf.Write(made.dir, parts); err != nil {
		t.Fatal(err)
	}
	return made
}

// TestContainerd has the resolvers of containerd 1.7 and 2 find every image by its old name.
func TestContainerd(t *testing.T) {
	for i, w := range ways {
		if w.renaming.Flatten {
			continue // containerd cannot, and mirrors says so
		}
		t.Run(w.name, func(t *testing.T) {
			m := mirror(t, i, mirrorconf.Containerd)
			dir := filepath.Join(m.dir, "containerd")
			one := docker1.NewResolver(docker1.ResolverOptions{Hosts: config1.ConfigureHosts(t.Context(),
				config1.HostOptions{HostDir: config1.HostDirFromRoot(dir)})})
			two := docker2.NewResolver(docker2.ResolverOptions{Hosts: config2.ConfigureHosts(t.Context(),
				config2.HostOptions{HostDir: config2.HostDirFromRoot(dir)})})
			for k, n := range names {
				resolved(t, "1.7: "+n, m.want[k], n, one.Resolve, func(d v1.Descriptor) (io.ReadCloser, error) {
					f, err := one.Fetcher(t.Context(), n)
					if err != nil {
						return nil, err
					}
					return f.Fetch(t.Context(), d)
				})
				resolved(t, "2: "+n, m.want[k], n, two.Resolve, func(d v1.Descriptor) (io.ReadCloser, error) {
					f, err := two.Fetcher(t.Context(), n)
					if err != nil {
						return nil, err
					}
					return f.Fetch(t.Context(), d)
				})
			}
		})
	}
}

// resolved checks what a name leads to, and that its manifest comes.
func resolved(t *testing.T, what string, want digest.Digest, name string,
	resolve func(context.Context, string) (string, v1.Descriptor, error),
	fetch func(v1.Descriptor) (io.ReadCloser, error),
) {
	t.Helper()
	_, d, err := resolve(t.Context(), name)
	if err != nil || d.Digest != want {
		t.Errorf("%s: %s, want %s: %v", what, d.Digest, want, err)
		return
	}
	body, err := fetch(d)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	defer body.Close()
	if raw, err := io.ReadAll(body); err != nil || digest.FromBytes(raw) != want {
		t.Errorf("%s: another manifest: %v", what, err)
	}
}

// TestRancher has the library with which k3s and RKE2 read registries.yaml pull every image by its old name.
func TestRancher(t *testing.T) {
	for _, engine := range []string{mirrorconf.K3s, mirrorconf.RKE2} {
		for i, w := range ways {
			if w.fallback {
				continue // the library always falls back
			}
			t.Run(engine+"/"+w.name, func(t *testing.T) {
				m := mirror(t, i, engine)
				file := filepath.Join(m.dir, engine, "registries.yaml")
				if _, err := os.Stat(file); err != nil {
					t.Fatal(err)
				}
				known, err := registries.GetPrivateRegistries(file)
				if err != nil {
					t.Fatal(err)
				}
				for k, n := range names {
					ref, err := name.ParseReference(n)
					if err != nil {
						t.Fatal(err)
					}
					im, err := known.Image(ref)
					if err != nil {
						t.Errorf("%s: %v", n, err)
						continue
					}
					if got, err := im.Digest(); err != nil || got.String() != m.want[k].String() {
						t.Errorf("%s is %s, want %s: %v", n, got, m.want[k], err)
					}
				}
			})
		}
	}
}
