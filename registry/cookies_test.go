package registry

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/fakeregistry"
)

// balanced makes uploads end in 404 unless each of their requests brings back the cookie of the one before.
func (w *world) balanced(attributes string) {
	next := ""
	w.reg.On(fakeregistry.Match{Path: "/uploads/"}, func(honest http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			c, _ := req.Cookie("lb")
			if req.Method != "POST" && (c == nil || c.Value != next) {
				rw.WriteHeader(http.StatusNotFound)
				return
			}
			next = "node-" + strings.Repeat("x", len(next)%7+1)
			rw.Header().Add("Set-Cookie", "lb="+next+attributes)
			honest.ServeHTTP(rw, req)
		})
	})
}

func TestWild24CookiesOfUpload(t *testing.T) {
	for _, attributes := range []string{"", "; Path=/", "; Path=/v2/app; HttpOnly", "; Domain=test",
		"; Max-Age=60", "; Secure", "; Expires=Fri, 01 Jan 2100 00:00:00 GMT"} {
		t.Run(attributes, func(t *testing.T) {
			bothWays(t, func(w *world, content []byte, push func(*opener) error) {
				w.balanced(attributes)
				if err := push(&opener{content: content}); err != nil {
					w.Error(err)
				}
				w.stored(content)
				for _, e := range w.reg.Requests("", "") {
					if e.Header.Get("Cookie") != "" && (e.Method == "POST" || e.Method == "HEAD") {
						w.Errorf("%s %s has cookies of another upload", e.Method, e.Path)
					}
				}
			})
		})
	}
}

func TestWild24CookiesOfChunks(t *testing.T) {
	inBubble(t, func(w *world) {
		w.balanced("")
		w.limit(4<<20, fakeregistry.Early(413))
		content := noise(9 << 20)
		if err := w.repo("app").Pusher().Push(w.Context(), describe(content), memory(content),
			PushOptions{}); err != nil {
			w.Error(err)
		}
		w.stored(content)
	})
}

// Another origin does not see them, be it named in a Location or in a redirect.
func TestWild24CookiesStayAtTheirOrigin(t *testing.T) {
	for _, redirected := range []bool{true, false} {
		bothWays(t, func(w *world, content []byte, push func(*opener) error) {
			other := &fakeregistry.Ledger{}
			w.serve("cdn.registry.test:80", other.Record(w.reg))
			if redirected {
				here := func(req *http.Request) bool { return req.Host == "registry.test" }
				w.reg.On(fakeregistry.Match{Method: "PUT", Func: here}, keepQuery(307, "http://cdn.registry.test"))
			} else {
				w.reg.Location = func(_ *http.Request, path string) string {
					return "http://cdn.registry.test" + path
				}
			}
			w.reg.On(fakeregistry.Match{}, fakeregistry.Header("Set-Cookie", "session=secret; Domain=registry.test"))
			if err := push(&opener{content: content}); err != nil {
				w.Error(err)
			}
			w.stored(content)
			for i, e := range other.Requests("", "") {
				if i == 0 && e.Header.Get("Cookie") != "" {
					w.Errorf("%s %s has %q", e.Method, e.Path, e.Header.Get("Cookie"))
				}
			}
			if len(other.Requests("PUT", "")) == 0 {
				w.Error("nothing went there")
			}
		})
	}
}

func TestCookies(t *testing.T) {
	at := func(method, address string, set ...string) *http.Response {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Response{Request: &http.Request{Method: method, URL: u, Header: http.Header{}},
			Header: http.Header{"Set-Cookie": set}}
	}
	jar := &cookies{}
	jar.keep(at("POST", "http://a.test/v2/x", "one=1", "two=2; Path=/v2/", "gone=1", "bad name=1",
		"big="+strings.Repeat("x", maxCookie)))
	jar.keep(at("POST", "http://a.test/v2/x", "gone=; Max-Age=0", "one=3",
		"old=1; Expires=Fri, 01 Jan 1999 00:00:00 GMT"))
	jar.keep(at("POST", "https://a.test/", "tls=1"))
	for address, want := range map[string]string{
		"http://a.test/v2/app": "two=2; one=3", "http://a.test:80/": "one=3", "http://a.test/v2": "two=2; one=3",
		"http://a.test/v20": "one=3", "https://a.test/x": "tls=1", "http://a.test:8080/": "",
		"http://b.a.test/": "", "http://b.test/": "",
	} {
		req := at("PUT", address).Request
		jar.put(req)
		if diff := cmp.Diff(want, req.Header.Get("Cookie")); diff != "" {
			t.Errorf("%s: %s", address, diff)
		}
	}
	for range 2 * maxCookies {
		jar.keep(at("POST", "http://a.test/", "c"+strings.Repeat("x", len(jar.held))+"=1"))
	}
	if len(jar.held) != maxCookies {
		t.Errorf("%d cookies are held", len(jar.held))
	}
}
