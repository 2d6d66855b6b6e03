package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/fakeregistry"
)

// fetchBlob reads a blob to its end, and verifies it.
func (w *world) fetchBlob(d v1.Descriptor) ([]byte, error) {
	return image.ReadAll(w.Context(), w.repo("app"), d, 64<<20)
}

func memory(content []byte) image.Source {
	return &image.MemorySource{Content: map[digest.Digest][]byte{digest.FromBytes(content): content}}
}

func describe(content []byte) v1.Descriptor {
	return v1.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(content),
		Size: int64(len(content))}
}

// Whatever a registry makes us do, what authorizes us there is seen nowhere else.
func TestAuthorizationStaysAtItsOrigin(t *testing.T) {
	for name, tc := range map[string]struct {
		origin, address string // where the registry sends us
		tls             bool
	}{
		"other host":    {"http://other.test", "other.test:80", false},
		"subdomain":     {"http://cdn.registry.test", "cdn.registry.test:80", false},
		"other port":    {"http://registry.test:5000", "registry.test:5000", false},
		"other scheme":  {"https://registry.test", "registry.test:443", true},
		"dot at end":    {"http://registry.test.", "registry.test.:80", false},
		"user in front": {"http://registry.test@other.test", "other.test:80", false},
	} {
		for _, scheme := range []string{"basic", "bearer"} {
			t.Run(name+", "+scheme, func(t *testing.T) {
				inBubble(t, func(w *world) {
					elsewhere := fakeregistry.New()
					if tc.tls {
						w.serveTLS(tc.address, elsewhere)
					} else {
						w.serve(tc.address, elsewhere)
					}
					w.login(Credential{Username: "me", Password: "secret"})
					if scheme == "basic" {
						w.reg.RequireBasic("me", "secret")
					} else {
						w.tokenServer(&fakeregistry.Tokens{Users: map[string]string{"me": "secret"}})
					}
					w.checkRedirected(elsewhere, tc.origin)
					w.checkUploaded(elsewhere, tc.origin)
					for _, e := range elsewhere.Requests("", "") {
						for key, values := range e.Header {
							text := strings.Join(values, " ")
							if strings.Contains(text, "token-") || strings.Contains(text, basic("me", "secret")) ||
								key == "Authorization" && !strings.Contains(tc.origin, "@") {
								w.Errorf("%s %s carries %s: %s", e.Method, e.Path, key, text)
							}
						}
					}
				})
			})
		}
	}
}

func (w *world) checkRedirected(elsewhere *fakeregistry.Registry, origin string) {
	w.Helper()
	content := []byte("the content")
	d := elsewhere.PutBlob("app", content)
	authorized := func(req *http.Request) bool { return req.Header.Get("Authorization") != "" }
	w.reg.On(fakeregistry.Match{Method: "GET", Path: "/blobs/", Func: authorized},
		fakeregistry.Redirect(307, origin))
	if got, err := w.fetchBlob(d); err != nil || !bytes.Equal(got, content) {
		w.Errorf("%q, %v", got, err)
	}
	if n := len(elsewhere.Requests("GET", "/blobs/")); n != 1 {
		w.Errorf("%d blobs were read elsewhere", n)
	}
}

func (w *world) checkUploaded(elsewhere *fakeregistry.Registry, origin string) {
	w.Helper()
	content := []byte("the other content")
	w.reg.Location = func(req *http.Request, path string) string {
		resp := &recorded{header: http.Header{}}
		inner := req.Clone(req.Context())
		inner.Header = http.Header{}
		elsewhere.ServeHTTP(resp, inner)
		return origin + resp.header.Get("Location")
	}
	if err := w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content),
		PushOptions{}); err != nil {
		w.Errorf("push: %v", err)
	}
	if !bytes.Equal(elsewhere.Blob("app", digest.FromBytes(content)), content) {
		w.Error("the blob was not stored elsewhere")
	}
}

// recorded takes an answer and keeps its header.
type recorded struct{ header http.Header }

func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) Write(p []byte) (int, error) { return len(p), nil }
func (r *recorded) WriteHeader(int)             {}

// The registry's own redirects keep the authorization: without it they would end in a refusal.
func TestAuthorizationFollowsWithinOrigin(t *testing.T) {
	inBubble(t, func(w *world) {
		content := []byte("the content")
		d := w.reg.PutBlob("storage/v2/app", content)
		w.login(Credential{Username: "me", Password: "secret"})
		w.reg.RequireBasic("me", "secret")
		direct := func(req *http.Request) bool { return strings.HasPrefix(req.URL.Path, "/v2/app/") }
		w.reg.On(fakeregistry.Match{Func: direct}, fakeregistry.Redirect(302, "http://registry.test:80/v2/storage"))
		w.reg.On(fakeregistry.Match{Count: 1}, fakeregistry.Status(401, "WWW-Authenticate", `Basic realm="r"`))
		if got, err := w.fetchBlob(d); err != nil || !bytes.Equal(got, content) {
			w.Errorf("%q, %v", got, err)
		}
	})
}

// A storage host that wants a login of its own does not get the registry's.
func TestChallengeOfAnotherHost(t *testing.T) {
	inBubble(t, func(w *world) {
		elsewhere := w.other("other.test:80")
		elsewhere.RequireBasic("me", "secret")
		d := elsewhere.PutBlob("app", []byte("the content"))
		w.login(Credential{Username: "me", Password: "secret"})
		w.reg.On(fakeregistry.Match{}, fakeregistry.Redirect(307, "http://other.test"))
		if _, err := w.fetchBlob(d); !errors.Is(err, ErrDenied) {
			w.Error(err)
		}
		if got := elsewhere.Requests("", ""); len(got) != 1 || got[0].Authorization() != "" || w.asked != 0 {
			w.Errorf("%+v; asked for credentials %d times", got, w.asked)
		}
	})
}

// The token server gets the password, that is what it is for; whom it sends us to does not.
func TestTokenServerRedirects(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		elsewhere := &fakeregistry.Tokens{}
		w.serve("other.test:80", elsewhere)
		w.serve("auth.test:80", http.RedirectHandler("http://other.test/token?scope=repository:app:pull",
			http.StatusFound))
		w.reg.RequireToken(elsewhere, "http://auth.test/token")
		w.login(Credential{Username: "me", Password: "secret"})
		if err := w.resolve("app"); err != nil {
			w.Error(err)
		}
		if got := elsewhere.Requests("", ""); len(got) != 1 || got[0].Authorization() != "" {
			w.Errorf("%+v", got)
		}
	})
}

func TestRefusedDestinations(t *testing.T) {
	loopback := []string{"127.0.0.1:5000", "localhost:80", "[::1]:5000", "[::ffff:127.0.0.1]:5000",
		"x.localhost:5000", "localhost.:5000", "LOCALHOST:5000", "0.0.0.0:5000", "[::]:5000"}
	for name, tc := range map[string]struct {
		to, want string
		tls      bool
	}{
		"encryption dropped":      {"http://other.test", "encryption", true},
		"to loopback":             {"http://127.0.0.1:5000", "this machine", false},
		"to localhost":            {"http://localhost", "this machine", false},
		"to IPv6 loopback":        {"http://[::1]:5000", "this machine", false},
		"to loopback, mapped":     {"http://[::ffff:127.0.0.1]:5000", "this machine", false},
		"to a name of loopback":   {"http://x.localhost:5000", "this machine", false},
		"to loopback, dot at end": {"http://localhost.:5000", "this machine", false},
		"to loopback, upper case": {"http://LOCALHOST:5000", "this machine", false},
		"to any address":          {"http://0.0.0.0:5000", "this machine", false},
		"to any IPv6 address":     {"http://[::]:5000", "this machine", false},
		"file":                    {"file:///etc/passwd", `"file"`, false},
		"ftp":                     {"ftp://other.test", `"ftp"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				for _, address := range append(loopback, "other.test:80") {
					w.serve(address, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
						w.Errorf("%s was asked for %s", address, req.URL)
					}))
				}
				if tc.tls {
					w.client.PlainHTTP = false
					w.serveTLS("registry.test:443", w.reg)
				}
				d := w.reg.PutBlob("app", []byte("content"))
				w.reg.On(fakeregistry.Match{Method: "GET", Path: "/blobs/"}, fakeregistry.Redirect(307, tc.to))
				w.refused("redirect", tc.want, func() error { _, err := w.fetchBlob(d); return err })
				w.reg.Location = func(_ *http.Request, path string) string { return tc.to + path }
				content := []byte("new")
				w.refused("upload", tc.want, func() error {
					return w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content), PushOptions{})
				})
				w.reg.Heal()
				w.reg.RequireToken(&fakeregistry.Tokens{}, tc.to+"/token")
				w.refused("realm", tc.want, func() error { _, err := w.fetchBlob(d); return err })
			})
		})
	}
}

// refused checks that f fails at once, and says why.
func (w *world) refused(what, want string, f func() error) {
	w.Helper()
	began := time.Now()
	err := f()
	if err == nil || !strings.Contains(err.Error(), want) {
		w.Errorf("%s: %v, want an error with %q", what, err, want)
	}
	if errors.Is(err, ErrUnavailable) || time.Since(began) != 0 {
		w.Errorf("%s: after %s: %v", what, time.Since(began), err)
	}
}

// A registry on this machine may send us to this machine.
func TestLoopbackToLoopback(t *testing.T) {
	inBubble(t, func(w *world) {
		local, storage := w.other("localhost:5000"), w.other("127.0.0.1:9000")
		d := storage.PutBlob("app", []byte("content"))
		local.On(fakeregistry.Match{}, fakeregistry.Redirect(307, "http://127.0.0.1:9000"))
		repo := w.client.Repository(Reference{Registry: "localhost:5000", Repository: "app"})
		if _, err := image.ReadAll(w.Context(), repo, d, 1<<20); err != nil {
			w.Error(err)
		}
	})
}

func TestRedirectsEnd(t *testing.T) {
	inBubble(t, func(w *world) {
		other := w.other("other.test:80")
		d := w.reg.PutBlob("app", []byte("content"))
		w.reg.On(fakeregistry.Match{}, fakeregistry.Redirect(307, "http://other.test"))
		other.On(fakeregistry.Match{}, fakeregistry.Redirect(307, "http://registry.test"))
		w.refused("loop", "redirects", func() error { _, err := w.fetchBlob(d); return err })
		if n := len(w.reg.Requests("", "")) + len(other.Requests("", "")); n > maxRedirects+1 {
			w.Errorf("%d requests", n)
		}
	})
}

// A redirect that names no address is an answer like any other that makes no sense.
func TestRedirectWithoutLocation(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutBlob("app", []byte("content"))
		w.reg.On(fakeregistry.Match{}, fakeregistry.Status(302))
		w.refused("no Location", "302", func() error { _, err := w.fetchBlob(d); return err })
	})
}

// Presigned addresses are secrets.
func TestErrorsKeepSecrets(t *testing.T) {
	inBubble(t, func(w *world) {
		storage := w.other("storage.test:80")
		d := w.reg.PutBlob("app", []byte("content"))
		w.reg.On(fakeregistry.Match{}, fakeregistry.Redirect(307,
			"http://user:secret@storage.test/?signature=secret"))
		storage.On(fakeregistry.Match{Count: 1}, fakeregistry.Answer(403, "expired"))
		storage.On(fakeregistry.Match{First: 2}, fakeregistry.CutBody(0))
		for range 2 {
			if _, err := w.fetchBlob(d); err == nil || strings.Contains(err.Error(), "secret") {
				w.Errorf("error %v", err)
			}
		}
	})
}

// A blob is its bytes: nothing may unpack it on the way.
func TestBodiesAreNotDecoded(t *testing.T) {
	inBubble(t, func(w *world) {
		l := fakeregistry.GzipLayer(fakeregistry.Tar(map[string]string{"a": "b"}))
		d := w.reg.PutBlob("app", l.Content)
		w.reg.On(fakeregistry.Match{}, fakeregistry.Header("Content-Encoding", "gzip"))
		rc, err := w.repo("app").Open(w.Context(), d, 0, image.ToEnd)
		if err != nil {
			w.Fatal(err)
		}
		defer rc.Close()
		if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, l.Content) {
			w.Errorf("%d bytes, %v; want %d", len(got), err, len(l.Content))
		}
	})
}
