package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/internal/fakeregistry"
)

// A server behind a proxy may know another port than its clients. If nobody is at the one that it names, the
// registry's own is meant.
func TestWild51OtherPort(t *testing.T) {
	for _, port := range []string{"", ":443", ":5000"} {
		for _, scheme := range []string{"http", "https"} {
			inBubble(t, func(w *world) {
				w.client.PlainHTTP = false
				tokens, own := &fakeregistry.Tokens{}, Reference{Registry: "registry.test:8443", Repository: "app"}
				w.reg.RequireToken(tokens, scheme+"://registry.test"+port+"/token")
				w.reg.PutImage("app", "1", oneLayer)
				content := noise(1000)
				d := w.reg.PutBlob("app", content)
				w.serveTLS("registry.test:8443", http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
					switch req.URL.Path {
					case "/token":
						tokens.ServeHTTP(rw, req)
					case "/store":
						rw.Write(content)
					case "/v2/app/blobs/" + d.Digest.String():
						http.Redirect(rw, req, scheme+"://registry.test"+port+"/store", http.StatusTemporaryRedirect)
					default:
						w.reg.ServeHTTP(rw, req)
					}
				}))
				repo := w.client.Repository(own)
				if _, _, err := repo.Resolve(w.Context(), "1"); err != nil {
					w.Errorf("%s%s: token: %v", scheme, port, err)
				}
				rc, err := repo.Open(w.Context(), d, 0, d.Size)
				if err != nil {
					w.Errorf("%s%s: blob: %v", scheme, port, err)
					return
				}
				rc.Close()
			})
		}
	}
}

// Uploads go on at the registry's own port too (distribution/distribution#2862).
func TestWild51OtherPortOfUpload(t *testing.T) {
	for _, inner := range []string{"https://registry.test:5000", "http://registry.test:5000"} {
		for _, limited := range []bool{false, true} {
			inBubble(t, func(w *world) {
				w.client.PlainHTTP = false
				w.serveTLS("registry.test:8443", w.reg)
				w.reg.On(fakeregistry.Match{Method: "POST"}, innerLocation(inner))
				w.reg.On(fakeregistry.Match{Method: "PATCH"}, innerLocation(inner))
				if limited {
					w.limit(1<<20, fakeregistry.Early(http.StatusRequestEntityTooLarge))
				}
				content := noise(3 << 20)
				p := w.client.Repository(Reference{Registry: "registry.test:8443", Repository: "app"}).Pusher()
				if err := p.Push(w.Context(), describe(content), memory(content), PushOptions{}); err != nil {
					w.Errorf("%s: %v", inner, err)
				}
				o := &opener{content: content[1:]}
				if _, err := p.PushStream(w.Context(), "", o.open, PushOptions{}); err != nil {
					w.Errorf("%s: stream: %v", inner, err)
				}
				w.stored(content)
				w.stored(o.content)
			})
		}
	}
}

// innerLocation puts another host in place of that of Location.
func innerLocation(inner string) fakeregistry.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, req)
			maps.Copy(rw.Header(), rec.Header())
			if u, err := url.Parse(rec.Header().Get("Location")); err == nil && u.Path != "" {
				rw.Header().Set("Location", inner+u.RequestURI())
			}
			rw.WriteHeader(rec.Code)
		})
	}
}

// Another port of the registry's host is no place for its password: only what the realm names, or its own.
func TestWild51OtherHostStays(t *testing.T) {
	inBubble(t, func(w *world) {
		w.client.PlainHTTP = false
		w.reg.RequireToken(&fakeregistry.Tokens{}, "https://auth.test/token")
		w.serveTLS("registry.test:8443", w.reg)
		repo := w.client.Repository(Reference{Registry: "registry.test:8443", Repository: "app"})
		if _, _, err := repo.Resolve(w.Context(), "1"); !errors.Is(err, ErrUnavailable) {
			w.Error(err)
		}
		if n := len(w.reg.Requests("", "/token")); n > 0 {
			w.Errorf("the registry was asked for a token %d times", n)
		}
	})
}

// A web page in the place of a blob is neither the blob nor damage to it.
func TestWild52WebPages(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutBlob("app", noise(1000))
		w.reg.On(fakeregistry.Match{}, fakeregistry.Page())
		repo := w.repo("app")
		for what, ask := range map[string]func(context.Context) error{
			"blob":   func(context.Context) error { _, err := w.fetchBlob(d); return err },
			"size":   func(ctx context.Context) error { _, err := repo.Stat(ctx, d.Digest); return err },
			"digest": func(ctx context.Context) error { _, err := repo.Digest(ctx, "1"); return err },
			"tags":   func(ctx context.Context) error { _, err := repo.Tags(ctx); return err },
		} {
			if err := ask(w.Context()); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrIntegrity) {
				w.Errorf("%s: %v", what, err)
			}
		}
	})
}

// A login page in the place of an answer to a write means that the registry is out of reach.
func TestPagesForWrites(t *testing.T) {
	const emptyIndex = `{"schemaVersion":2,"manifests":[]}`
	for name, fault := range map[string]fakeregistry.Fault{
		"page": fakeregistry.Page(), "redirect": fakeregistry.Redirect(302, "http://portal.test"),
	} {
		inBubble(t, func(w *world) {
			content, p := noise(100), w.repo("app").Pusher()
			w.reg.On(fakeregistry.Match{Method: "POST"}, fault)
			w.reg.On(fakeregistry.Match{Method: "PUT"}, fault)
			for what, err := range map[string]error{
				"blob":     p.Push(w.Context(), describe(content), memory(content), PushOptions{}),
				"manifest": p.PutManifest(w.Context(), "1", v1.MediaTypeImageIndex, []byte(emptyIndex)),
			} {
				if !errors.Is(err, ErrUnavailable) {
					w.Errorf("%s in place of an answer about a %s: %v", name, what, err)
				}
			}
		})
	}
}

// What is no manifest has no digest either, whatever the status says.
func TestWild07NoManifestNoDigest(t *testing.T) {
	for _, body := range []string{"", `{"errors":[{"code":"DENIED"}]}`, "please log in", `["a"]`} {
		inBubble(t, func(w *world) {
			w.reg.On(fakeregistry.Match{}, fakeregistry.Answer(200, body))
			if d, err := w.repo("app").Digest(w.Context(), "1"); err == nil {
				w.Errorf("%q: %s", body, d)
			}
		})
	}
}

// A proxy that fetches only what GET asks for says to HEAD that there is nothing.
func TestWild07HeadKnowsNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutBlob("app", noise(1000))
		w.reg.On(fakeregistry.Match{Method: "HEAD"}, fakeregistry.Status(404))
		if got, err := w.repo("app").Stat(w.Context(), d.Digest); err != nil || got.Size != d.Size {
			w.Errorf("%d, %v", got.Size, err)
		}
	})
}

// Codes are written in many ways, and may not be the first of several.
func TestWild49Codes(t *testing.T) {
	for _, body := range []string{
		`{"errors":[{"code":"TooManyRequestsException","message":"x"}]}`,
		`{"errors":[{"code":"UNKNOWN","message":"x"},{"code":"TOOMANYREQUESTS","message":"x"}]}`,
		`{"errors":[{"code":"Throttling.User"}]}`,
		`{"__type":"com.amazon.coral.service#ThrottlingException","message":"x"}`,
		`{"code":"SlowDown"}`, `{"error":"rate_limited"}`, `<Error><Code>RequestThrottled</Code></Error>`,
		`{"errors":[{"code":"InternalServerError"}]}`, `{"errors":[{"code":"OperationTimedOut"}]}`,
	} {
		inBubble(t, func(w *world) {
			w.reg.PutImage("app", "1", oneLayer)
			w.reg.On(fakeregistry.Match{Count: 2}, fakeregistry.Answer(400, body, "Content-Type", "application/json"))
			if err := w.resolve("app"); err != nil {
				w.Errorf("%s: %v", body, err)
			}
		})
	}
	for _, code := range []string{"429", `"UNAUTHORIZED"`, `"UNSUPPORTED"`, `"MANIFEST_INVALID"`} {
		inBubble(t, func(w *world) {
			w.reg.On(fakeregistry.Match{}, fakeregistry.Answer(400, `{"errors":[{"code":`+code+`}]}`))
			err := w.resolve("app")
			if err == nil || errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), strings.Trim(code, `"`)) {
				w.Errorf("%s: %v", code, err)
			}
		})
	}
}

func TestWild07BlobUnknownAmongOthers(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.On(fakeregistry.Match{}, fakeregistry.Answer(400,
			`{"errors":[{"code":"MANIFEST_INVALID"},{"code":"MANIFEST_BLOB_UNKNOWN"}]}`))
		raw := []byte(`{"schemaVersion":2,"mediaType":"` + v1.MediaTypeImageIndex + `","manifests":[]}`)
		err := w.repo("app").Pusher().PutManifest(w.Context(), "1", v1.MediaTypeImageIndex, raw)
		if !IsBlobUnknown(err) || IsManifestRefused(err) {
			w.Error(err)
		}
	})
}

// Lists have entries of odd types, and errors stand in their place.
func TestWild09OddLists(t *testing.T) {
	for body, want := range map[string][]string{
		`{"tags":["1","a",null,"a"]}`: {"1", "a"}, `{"tags":null}`: nil, `{"name":"app"}`: nil,
		`{"tags":null,"errors":[]}`: nil, "\xef\xbb\xbf" + `{"tags":["a"]}`: {"a"},
	} {
		inBubble(t, func(w *world) {
			w.reg.On(tagLists, fakeregistry.Answer(200, body))
			if got, err := w.repo("app").Tags(w.Context()); err != nil || !slices.Equal(got, want) {
				w.Errorf("%s: %q, %v", body, got, err)
			}
		})
	}
	for _, body := range []string{"", `["a"]`, `{"errors":[{"code":"DENIED","message":"go away"}]}`, "x"} {
		inBubble(t, func(w *world) {
			w.reg.On(tagLists, fakeregistry.Answer(200, body))
			if got, err := w.repo("app").Tags(w.Context()); err == nil || strings.Contains(fmt.Sprint(err), "struct") {
				w.Errorf("%q: %q, %v", body, got, err)
			}
		})
	}
}

// A list of referrers that breaks off is not taken for one that ends.
func TestWild09ReferrersBreakOff(t *testing.T) {
	for _, link := range []string{"/v2/", "/v2/wrong", "/v2/app/referrers/sha256:x", "http://[::1/"} {
		inBubble(t, func(w *world) {
			d := w.reg.PutBlob("app", noise(10))
			w.reg.On(fakeregistry.Match{Path: "/referrers/sha256"}, fakeregistry.Answer(200, fmt.Sprintf(
				`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":10}]}`,
				v1.MediaTypeImageManifest, d.Digest), "Content-Type", v1.MediaTypeImageIndex, "Link", next(link)))
			if all, err := w.repo("app").Referrers(w.Context(), d.Digest); err == nil {
				w.Errorf("%s: %d", link, len(all))
			}
		})
	}
}
