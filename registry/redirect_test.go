package registry

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
)

// moved makes the registry redirect requests of a method to another host, which is the same registry under
// another name. It returns what that host is asked.
func (w *world) moved(method, path string, status int) *fakeregistry.Ledger {
	ledger := &fakeregistry.Ledger{}
	w.serve("other.test:80", ledger.Record(w.reg))
	here := func(req *http.Request) bool { return req.Host == "registry.test" }
	w.reg.On(fakeregistry.Match{Method: method, Path: path, Func: here}, keepQuery(status, "http://other.test"))
	return ledger
}

// keepQuery redirects to the same path and query at another base, without having read the body.
func keepQuery(status int, base string) fakeregistry.Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			rw.Header().Set("Location", base+req.URL.RequestURI())
			rw.WriteHeader(status)
		})
	}
}

// A write goes where 307 and 308 send it, with its body, and without what was meant for the registry.
func TestWild08WritesFollowRedirects(t *testing.T) {
	for _, status := range []int{307, 308} {
		for _, method := range []string{"POST", "PATCH", "PUT"} {
			t.Run(fmt.Sprint(status, " ", method), func(t *testing.T) {
				bothWays(t, func(w *world, content []byte, push func(*opener) error) {
					w.client.Endpoints = func(ref Reference) ([]Endpoint, error) {
						e := DefaultEndpoint(ref.Registry)
						e.Header = http.Header{"X-Key": {"k"}}
						return []Endpoint{e}, nil
					}
					w.reg.Trusting = true // the other host is asked without credentials
					other := w.moved(method, "/uploads/", status)
					o := &opener{content: content}
					if err := push(o); err != nil {
						w.Error(err)
					}
					w.stored(content)
					if n := o.left.Load(); n != 0 {
						w.Errorf("%d readers not closed", n)
					}
					for _, e := range other.Requests("", "") {
						if e.Authorization() != "" || e.Header.Get("X-Key") != "" {
							w.Errorf("%s %s came with what was meant for the registry", e.Method, e.Path)
						}
					}
				})
			})
		}
	}
}

func TestWild08ManifestFollowsRedirect(t *testing.T) {
	inBubble(t, func(w *world) {
		other := w.moved("PUT", "/manifests/", 308)
		raw := []byte(`{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":[]}`)
		if err := w.repo("app").Pusher().PutManifest(w.Context(), "1", v1.MediaTypeImageIndex, raw); err != nil {
			w.Error(err)
		}
		if d, ok := w.reg.Tag("app", "1"); !ok || d.MediaType != v1.MediaTypeImageIndex {
			w.Errorf("stored: %+v, %v", d, ok)
		}
		if n := len(other.Requests("PUT", "")); n != 1 {
			w.Errorf("%d requests there", n)
		}
	})
}

// Within the registry's own origin a write keeps its authorization.
func TestWild08WritesKeepAuthorizationWithinOrigin(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		w.secret()
		direct := func(req *http.Request) bool { return !strings.HasPrefix(req.URL.Path, "/v2/inner/") }
		w.reg.On(fakeregistry.Match{Method: "POST", Func: direct}, fakeregistry.Status(307,
			"Location", "/v2/inner/app/blobs/uploads/"))
		if err := push(&opener{content: content}); err != nil {
			w.Error(err)
		}
		if !bytes.Equal(w.reg.Blob("inner/app", digest.FromBytes(content)), content) {
			w.Error("the blob was not stored there")
		}
	})
}

// What comes back from another origin is a stranger's request: it is not authorized.
func TestWild08WriteSentBackIsNotAuthorized(t *testing.T) {
	inBubble(t, func(w *world) {
		w.secret()
		w.serve("other.test:80", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Location", "http://registry.test/v2/app/manifests/latest")
			rw.WriteHeader(http.StatusTemporaryRedirect)
		}))
		authorized := func(req *http.Request) bool { return req.Header.Get("Authorization") != "" }
		w.reg.On(fakeregistry.Match{Method: "PUT", Path: "/uploads/", Func: authorized},
			fakeregistry.Early(307, "Location", "http://other.test/"))
		content := noise(1000)
		err := w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content), PushOptions{})
		if err == nil {
			w.Error("it went well")
		}
		for _, e := range w.reg.Requests("PUT", "/manifests/") {
			if e.Authorization() != "" {
				w.Errorf("%s %s is authorized", e.Method, e.Path)
			}
		}
		w.nothingStored()
	})
}

// Other redirects would make a read of a write. Where they lead is said, without what may be secret.
func TestWild08OtherRedirectsAreRefused(t *testing.T) {
	for _, status := range []int{301, 302, 303} {
		bothWays(t, func(w *world, content []byte, push func(*opener) error) {
			w.reg.On(fakeregistry.Match{Path: "/uploads/"}, fakeregistry.Answer(status, "<html>moved</html>",
				"Location", "http://other.test/there?signature=secret", "Content-Type", "text/html"))
			err := push(&opener{content: content})
			var e *Error
			if !errors.As(err, &e) || e.Status != status || !strings.Contains(err.Error(), "//other.test/there") ||
				strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "web page") {
				w.Errorf("%d: %v", status, err)
			}
			w.nothingStored()
		})
	}
}

func TestWild08RefusedDestinationsOfWrites(t *testing.T) {
	for to, want := range map[string]string{
		"http://127.0.0.1:5000/": "this machine",
		"http://169.254.169.254": "link-local",
		"ftp://other.test/":      `"ftp"`,
		"http://[::1?x=secret":   "no address",
		"/v2/app/blobs/uploads/": "more than",
		"http://registry.test":   "more than",
	} {
		inBubble(t, func(w *world) {
			for _, address := range []string{"127.0.0.1:5000", "169.254.169.254:80"} {
				w.serve(address, http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
					w.Errorf("%s was asked for %s", address, req.URL)
				}))
			}
			redirect := fakeregistry.Early(307, "Location", to)
			if to == "http://registry.test" {
				redirect = keepQuery(308, to)
			}
			w.reg.On(fakeregistry.Match{Method: "POST"}, redirect)
			content := noise(1000)
			w.refused(to, want, func() error {
				return w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content), PushOptions{})
			})
			if n := len(w.reg.Requests("POST", "")); n > maxRedirects+1 {
				w.Errorf("%d requests", n)
			}
		})
	}
}

// An identity token is in the body: it stays with the server that it is for.
func TestWild08LoginIsNotSentOn(t *testing.T) {
	for to, want := range map[string]int{"http://auth.test/there": 1, "http://other.test/there": 0} {
		inBubble(t, func(w *world) {
			w.reg.PutImage("app", "1", oneLayer)
			tokens := &fakeregistry.Tokens{Identity: "idt"}
			mux := http.NewServeMux()
			mux.Handle("POST /token", http.RedirectHandler(to, http.StatusTemporaryRedirect))
			mux.Handle("/there", tokens)
			w.serve("auth.test:80", mux)
			w.serve("other.test:80", tokens)
			w.reg.RequireToken(tokens, "http://auth.test/token")
			w.login(Credential{IdentityToken: "idt"})
			err := w.resolve("app")
			if n := len(tokens.Requests("POST", "")); n != want || (err == nil) != (want == 1) {
				w.Errorf("%s: %d requests, %v", to, n, err)
			}
		})
	}
}

// Behind a proxy that speaks TLS a registry names all addresses without it: of its token server, of blobs and
// manifests, of uploads and of the next page.
func TestWild51SameHostIsRaisedToTLS(t *testing.T) {
	for _, port := range []string{"", ":80", ":8080"} {
		bothWays(t, func(w *world, content []byte, push func(*opener) error) {
			w.client.PlainHTTP = false
			base := "http://Registry.test" + port
			tokens := &fakeregistry.Tokens{Users: map[string]string{"me": "secret"}}
			mux := http.NewServeMux()
			mux.Handle("/", w.reg)
			mux.Handle("/token", http.RedirectHandler(base+"/issue?scope=repository:app:pull,push", http.StatusFound))
			mux.Handle("/issue", tokens)
			w.serveTLS("registry.test:443", mux)
			w.login(Credential{Username: "me", Password: "secret"})
			w.reg.RequireToken(tokens, base+"/token")
			w.reg.Location = func(_ *http.Request, path string) string { return base + path }
			direct := func(req *http.Request) bool { return !strings.Contains(req.URL.RawQuery, "moved") }
			for _, path := range []string{"/blobs/sha256", "/manifests/"} {
				w.reg.On(fakeregistry.Match{Path: path, Func: direct}, moveWithin(base))
			}
			w.reg.On(fakeregistry.Match{Method: "POST", Func: direct}, moveWithin(base))
			if err := push(&opener{content: content}); err != nil {
				w.Error(err)
			}
			w.stored(content)
			if got, err := w.fetchBlob(describe(content)); err != nil || !bytes.Equal(got, content) {
				w.Errorf("%d bytes, %v", len(got), err)
			}
			w.reg.PutImage("app", "1", oneLayer)
			if err := w.resolve("app"); err != nil {
				w.Error(err)
			}
		})
	}
}

// moveWithin redirects to the same path at another base, and marks that it did.
func moveWithin(base string) fakeregistry.Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			rw.Header().Set("Location", base+req.URL.Path+"?moved=1")
			rw.WriteHeader(http.StatusTemporaryRedirect)
		})
	}
}

// An address may begin with the registry's own host and lack a scheme.
func TestWild51AddressWithoutScheme(t *testing.T) {
	bothWays(t, func(w *world, content []byte, push func(*opener) error) {
		tokens := &fakeregistry.Tokens{}
		mux := http.NewServeMux()
		mux.Handle("/", w.reg)
		mux.Handle("/token", tokens)
		w.serve("registry.test:80", mux)
		w.reg.RequireToken(tokens, "registry.test/token")
		w.reg.Location = func(_ *http.Request, path string) string { return "registry.test" + path }
		if err := push(&opener{content: content}); err != nil {
			w.Error(err)
		}
		w.stored(content)
	})
}

// What leads to another host without encryption is refused as before.
func TestWild51OtherHostsAreNotRaised(t *testing.T) {
	for _, host := range []string{"other.test", "cdn.registry.test", "registry.test.evil.test",
		"registry.test@other.test"} {
		from := mustURL(t, "https://registry.test/v2/")
		to, err := told(from, "http://"+host+"/token")
		if err != nil || to.Scheme != "http" || checkHop(from, to) == nil {
			t.Errorf("%s: %v, %v", host, to, err)
		}
	}
}

// A proxy that passes on the host without its port makes a registry name addresses at another port.
func TestWild51PortIsRestored(t *testing.T) {
	for _, tls := range []bool{true, false} {
		inBubble(t, func(w *world) {
			scheme := "http"
			if tls {
				scheme, w.client.PlainHTTP = "https", false
				w.serveTLS("registry.test:5000", w.reg)
			} else {
				w.serve("registry.test:5000", w.reg)
			}
			w.secret()
			w.reg.Location = func(_ *http.Request, path string) string { return scheme + "://registry.test" + path }
			repo := w.client.Repository(Reference{Registry: "registry.test:5000", Repository: "app"})
			content := noise(1000)
			err := repo.Pusher().Push(w.Context(), describe(content), memory(content), PushOptions{})
			if err != nil {
				w.Error(err)
			}
			w.stored(content)
			w.pages([2]string{`{"tags":["1"]}`, next(scheme + "://registry.test/v2/app/tags/list?n=2")},
				[2]string{`{"tags":["2"]}`, ""})
			if tags, err := repo.Tags(w.Context()); err != nil || len(tags) != 2 {
				w.Errorf("%q, %v", tags, err)
			}
		})
	}
}

// A login page with status 200 is no sign that anything was stored.
func TestWild08WebPageIsNoSuccess(t *testing.T) {
	for _, method := range []string{"POST", "PATCH", "PUT"} {
		bothWays(t, func(w *world, content []byte, push func(*opener) error) {
			w.reg.On(fakeregistry.Match{Method: method}, fakeregistry.Page())
			err := push(&opener{content: content})
			if sent := len(w.reg.Requests(method, "")) > 0; sent == (err == nil) {
				w.Errorf("%s: %v", method, err)
			}
		})
	}
	inBubble(t, func(w *world) {
		w.reg.On(fakeregistry.Match{Method: "PUT"}, fakeregistry.Page())
		raw := []byte(`{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":[]}`)
		if err := w.repo("app").Pusher().PutManifest(w.Context(), "1", v1.MediaTypeImageIndex, raw); err == nil {
			w.Error("a web page is taken for a stored manifest")
		}
	})
}

// An answer that names no new address leaves the upload where it is.
func TestUploadGoesOnWhereItWas(t *testing.T) {
	for _, status := range []int{200, 201, 202, 204} {
		inBubble(t, func(w *world) {
			w.reg.On(fakeregistry.Match{Method: "PATCH"}, func(honest http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
					honest.ServeHTTP(&recorded{header: http.Header{}}, req)
					rw.WriteHeader(status)
				})
			})
			w.reg.On(fakeregistry.Match{Method: "PUT"}, fakeregistry.Call(func(req *http.Request) {
				req.URL.RawQuery = strings.ReplaceAll(req.URL.RawQuery, "_state=0", "_state=1")
			}))
			o := &opener{content: noise(1000)}
			if _, err := w.repo("app").Pusher().PushStream(w.Context(), "", o.open, PushOptions{}); err != nil {
				w.Errorf("%d: %v", status, err)
			}
			w.stored(o.content)
		})
	}
}
