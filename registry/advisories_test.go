package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

// secret logs in everywhere, and leak fails the test if another host than the registry has seen an
// authorization, a header that was configured for the registry, or was asked at all where it must not be.
func (w *world) secret() {
	w.reg.RequireBasic("me", "secret")
	w.login(Credential{Username: "me", Password: "secret"})
}

func (w *world) leak(elsewhere *fakeregistry.Registry) {
	w.Helper()
	for _, e := range elsewhere.Requests("", "") {
		if e.Authorization() != "" || e.Header.Get("X-Key") != "" {
			w.Errorf("%s %s%s came with what was meant for the registry", e.Method, e.Host, e.Path)
		}
	}
}

// TestAdvisories plays the holes that registry clients have had, each by its name: the registry, or
// somebody who speaks for it, tries, and nothing comes of it.
func TestAdvisories(t *testing.T) {
	content := []byte("a layer")
	for name, attack := range map[string]func(w *world, other *fakeregistry.Registry) error{
		"CVE-2020-15157 containerd: a foreign layer's address asks for credentials": func(w *world,
			other *fakeregistry.Registry) error {
			w.secret()
			other.RequireBasic("me", "secret")
			d := w.reg.PutBlob("app", content)
			d.MediaType = "application/vnd.oci.image.layer.nondistributable.v1.tar"
			d.URLs = []string{"http://other.test/v2/app/blobs/" + d.Digest.String()}
			_, err := w.fetchBlob(d)
			if n := len(other.Requests("", "")); n != 0 {
				w.Errorf("the address was asked %d times", n)
			}
			return err
		},
		"CVE-2026-49349 regclient: a redirect target asks for credentials": func(w *world,
			other *fakeregistry.Registry) error {
			w.secret()
			other.RequireBasic("me", "secret")
			d := other.PutBlob("app", content)
			authorized := func(r *http.Request) bool { return r.Header.Get("Authorization") != "" }
			w.reg.On(fakeregistry.Match{Method: "GET", Path: "/blobs/", Func: authorized},
				fakeregistry.Redirect(307, "http://other.test"))
			if _, err := w.fetchBlob(d); !errors.Is(err, ErrDenied) {
				w.Errorf("%v", err)
			}
			return nil
		},
		"GHSA-vh4v-2xq2-g5cg oras-go: a redirect to another port, with a configured header": func(w *world,
			other *fakeregistry.Registry) error {
			w.secret()
			w.client.Endpoints = func(ref Reference) ([]Endpoint, error) {
				e := DefaultEndpoint(ref.Registry)
				e.Header = http.Header{"X-Key": {"k"}}
				return []Endpoint{e}, nil
			}
			d := other.PutBlob("app", content)
			authorized := func(r *http.Request) bool { return r.Header.Get("Authorization") != "" }
			w.reg.On(fakeregistry.Match{Method: "GET", Path: "/blobs/", Func: authorized},
				fakeregistry.Redirect(307, "http://other.test"))
			_, err := w.fetchBlob(d)
			if e := w.reg.Requests("GET", "/blobs/"); e[0].Header.Get("X-Key") != "k" {
				w.Error("the registry itself did not get the header")
			}
			return err
		},
		"CVE-2026-50151 oras-go: an upload goes on elsewhere": func(w *world, other *fakeregistry.Registry) error {
			w.secret()
			w.reg.Location = func(_ *http.Request, path string) string { return "http://other.test" + path }
			_ = w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content), PushOptions{})
			return nil
		},
		"GHSA-h7vf-4x9w-h99v oras-go: the next page is elsewhere": func(w *world,
			other *fakeregistry.Registry) error {
			w.reg.On(tagLists, fakeregistry.Answer(200, `{"name":"app","tags":["1"]}`,
				"Link", next("http://other.test/v2/app/tags/list?n=2")))
			if _, err := w.repo("app").Tags(w.Context()); err == nil ||
				!strings.Contains(err.Error(), "another host") {
				w.Errorf("the list goes on elsewhere: %v", err)
			}
			if n := len(other.Requests("", "")); n != 0 {
				w.Errorf("the other host was asked %d times", n)
			}
			return nil
		},
		"CVE-2021-41190 OCI: a manifest that is an index too": func(w *world, _ *fakeregistry.Registry) error {
			raw := []byte(`{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}`)
			d := w.reg.PutManifest("app", "1", v1.MediaTypeImageManifest, raw)
			if _, _, err := w.repo("app").Resolve(w.Context(), d.Digest.String()); err == nil {
				w.Error("it was read")
			}
			return nil
		},
		"CVE-2024-3727 containers/image: a digest that is a path": func(w *world, _ *fakeregistry.Registry) error {
			d := v1.Descriptor{Digest: "sha256:../../../../etc/passwd", Size: 1}
			if _, err := w.repo("app").Open(w.Context(), d, 0, image.ToEnd); err == nil ||
				len(w.reg.Requests("", "passwd")) != 0 {
				w.Errorf("%v", err)
			}
			return nil
		},
		"CVE-2025-24882 regclient: the registry's digest instead of the user's": func(w *world,
			_ *fakeregistry.Registry) error {
			wrong := w.reg.PutImage("app", "1", fakeregistry.Image{})
			asked := digest.FromString("what the user wants")
			w.reg.On(fakeregistry.Match{Method: "GET", Path: "/manifests/" + asked.String()},
				fakeregistry.Answer(http.StatusOK, string(w.reg.Manifest("app", wrong.Digest)), "Content-Type",
					v1.MediaTypeImageManifest, "Docker-Content-Digest", asked.String()))
			if _, _, err := w.repo("app").Resolve(w.Context(), asked.String()); !errors.Is(err, ErrIntegrity) {
				w.Errorf("%v", err)
			}
			return nil
		},
		"GHSA-f36w-mj3v-6jqv oras-go: a size that nobody can allocate": func(w *world,
			_ *fakeregistry.Registry) error {
			d := w.reg.PutBlob("app", content)
			for _, size := range []int64{-1, 1 << 62} {
				d.Size = size
				if _, err := image.ReadAll(w.Context(), w.repo("app"), d, 1<<62); err == nil {
					w.Errorf("size %d was accepted", size)
				}
			}
			return nil
		},
		"CVE-2020-1702 containers/image: a manifest without end": func(w *world, _ *fakeregistry.Registry) error {
			w.reg.On(fakeregistry.Match{Method: "GET", Path: "/manifests/"},
				fakeregistry.Answer(http.StatusOK, strings.Repeat(" ", 5<<20)))
			if _, _, err := w.repo("app").Resolve(w.Context(), "1"); err == nil ||
				!strings.Contains(fmt.Sprint(err), "larger than") {
				w.Errorf("%v", err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				other := w.other("other.test:80")
				if err := attack(w, other); err != nil {
					w.Error(err)
				}
				w.leak(other)
			})
		})
	}
}

// TestRealmAdvisories are those about token servers (CVE-2026-33540 distribution, CVE-2026-48978 oras-go): no
// password goes where encryption ends or to this machine's own services.
func TestRealmAdvisories(t *testing.T) {
	for name, c := range map[string]struct{ registry, realm string }{
		"CVE-2026-48978: from https to http": {"https://registry.test/v2/", "http://tokens.test/"},
		"to a cloud's metadata": {"https://registry.test/v2/",
			"https://169.254.169.254/latest/meta-data/"},
		"to the same, mapped":             {"http://registry.test/v2/", "http://[::ffff:169.254.169.254]:80/"},
		"to a neighbour":                  {"http://registry.test/v2/", "http://[fe80::1%25eth0]/"},
		"CVE-2026-33540: to this machine": {"https://registry.test/v2/", "https://127.0.0.1/latest"},
		"CVE-2026-48978: to a file":       {"https://registry.test/v2/", "file:///etc/passwd"},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := mustURL(t, c.registry), mustURL(t, c.realm)
			if err := checkHop(from, to); err == nil {
				t.Error("it was allowed")
			}
		})
	}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
