package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"drayage/internal/fakeregistry"
)

// hiding makes the registry answer strangers with a status and no challenge. Only the root of its API asks
// for a login.
func (w *world) hiding(status int) {
	stranger := func(req *http.Request) bool {
		return req.Header.Get("Authorization") == "" && req.URL.Path != "/v2/"
	}
	w.reg.On(fakeregistry.Match{Func: stranger}, fakeregistry.Status(status))
}

func roots(reg *fakeregistry.Registry) (n int) {
	for _, e := range reg.Requests("GET", "") {
		if e.Path == "/v2/" {
			n++
		}
	}
	return n
}

// A registry may turn strangers away as if there were nothing, and ask for a login at its root only.
func TestWild46LoginWhereNobodyAsks(t *testing.T) {
	for _, status := range []int{401, 403, 404} {
		for _, scheme := range []string{"basic", "bearer"} {
			t.Run(fmt.Sprint(status, " ", scheme), func(t *testing.T) {
				bothWays(t, func(w *world, content []byte, push func(*opener) error) {
					w.login(Credential{Username: "me", Password: "secret"})
					if scheme == "basic" {
						w.reg.RequireBasic("me", "secret")
					} else {
						w.tokenServer(&fakeregistry.Tokens{Users: map[string]string{"me": "secret"}})
					}
					w.hiding(status)
					w.reg.PutImage("other", "1", oneLayer)
					if err := w.resolve("other"); err != nil {
						w.Errorf("resolve: %v", err)
					}
					if _, err := w.repo("other").Tags(w.Context()); err != nil {
						w.Errorf("tags: %v", err)
					}
					if err := push(&opener{content: content}); err != nil {
						w.Errorf("push: %v", err)
					}
					w.stored(content)
					if n := roots(w.reg); n != 1 {
						w.Errorf("the root was asked %d times", n)
					}
				})
			})
		}
	}
}

// Nobody logs in without credentials, and the refusal is passed on as it is.
func TestWild46Anonymous(t *testing.T) {
	for status, want := range map[int]error{401: ErrDenied, 403: ErrDenied, 404: ErrNotFound} {
		inBubble(t, func(w *world) {
			w.reg.RequireBasic("me", "secret")
			w.hiding(status)
			w.reg.PutImage("app", "1", oneLayer)
			if err := w.resolve("app"); !errors.Is(err, want) || roots(w.reg) != 0 {
				w.Errorf("%d: %v, the root was asked %d times", status, err, roots(w.reg))
			}
		})
	}
}

// A challenge may come with a 403 or 404.
func TestWild46ChallengeOfAnotherStatus(t *testing.T) {
	for _, status := range []int{403, 404} {
		inBubble(t, func(w *world) {
			w.secret()
			w.reg.PutImage("app", "1", oneLayer)
			stranger := func(req *http.Request) bool { return req.Header.Get("Authorization") == "" }
			w.reg.On(fakeregistry.Match{Func: stranger}, fakeregistry.Status(status, "WWW-Authenticate", `Basic realm="x"`))
			if err := w.resolve("app"); err != nil || roots(w.reg) != 0 {
				w.Errorf("%d: %v, the root was asked %d times", status, err, roots(w.reg))
			}
		})
	}
}

// What is not there is not there, whoever asks. The registry is asked for a login once.
func TestWild46Absent(t *testing.T) {
	for name, ready := range map[string]func(*world){
		"open":              func(*world) {},
		"login at the root": func(w *world) { w.hiding(404); w.reg.RequireBasic("me", "secret") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.login(Credential{Username: "me", Password: "secret"})
				ready(w)
				for range 3 {
					if err := w.resolve("app"); !errors.Is(err, ErrNotFound) {
						w.Error(err)
					}
				}
				if n := roots(w.reg); n != 1 || len(w.told()) != 0 {
					w.Errorf("the root was asked %d times; told %q", n, w.told())
				}
				for _, e := range w.reg.Requests("", "") {
					if name == "open" && e.Authorization() != "" {
						w.Errorf("%s %s has the password", e.Method, e.Path)
					}
				}
			})
		})
	}
}

// Credentials that are wrong do not get in the way of what everybody may see.
func TestWild46WrongCredentials(t *testing.T) {
	inBubble(t, func(w *world) {
		tokens := &fakeregistry.Tokens{Users: map[string]string{"me": "secret"}}
		w.serve("auth.test:80", tokens)
		w.reg.On(fakeregistry.Match{Func: func(r *http.Request) bool { return r.URL.Path == "/v2/" }},
			fakeregistry.Status(401, "WWW-Authenticate", `Bearer realm="http://auth.test/token"`))
		w.login(Credential{Username: "me", Password: "wrong"})
		w.reg.PutImage("app", "1", oneLayer)
		for range 2 {
			if _, _, err := w.repo("app").Resolve(w.Context(), "absent"); !errors.Is(err, ErrNotFound) {
				w.Error(err)
			}
			if err := w.resolve("app"); err != nil {
				w.Errorf("open to all: %v", err)
			}
		}
		if n := len(tokens.Requests("", "")); n != 1 || len(w.told()) != 1 {
			w.Errorf("the password was sent %d times; told %q", n, w.told())
		}
	})
	for _, status := range []int{401, 403} {
		inBubble(t, func(w *world) {
			w.tokenServer(&fakeregistry.Tokens{Users: map[string]string{"me": "secret"}})
			w.hiding(status)
			w.login(Credential{Username: "me", Password: "wrong"})
			err := w.resolve("app")
			if !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "does not let us in") {
				w.Errorf("%d: %v", status, err)
			}
		})
	}
}

// Where nothing says how to log in, the password is tried once as it is.
func TestWild46NobodyEverAsks(t *testing.T) {
	for _, status := range []int{401, 403, 404} {
		for _, password := range []string{"secret", "wrong"} {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", oneLayer)
				w.login(Credential{Username: "me", Password: password})
				sent := 0
				w.reg.On(fakeregistry.Match{Func: func(req *http.Request) bool {
					if req.Header.Get("Authorization") != "" {
						sent++
					}
					return req.Header.Get("Authorization") != basic("me", "secret")
				}}, fakeregistry.Status(status))
				err := error(nil)
				for range 3 {
					err = w.resolve("app")
				}
				right := password == "secret" && status != 404 // which says nothing of a login
				if right && (err != nil || sent != 3) || !right && (err == nil || sent > 1) {
					w.Errorf("%d, %s: %v, the password was sent %d times", status, password, err, sent)
				}
			})
		}
	}
}

// Only for its own origin a registry learns how to log in.
func TestWild46NotForOthers(t *testing.T) {
	inBubble(t, func(w *world) {
		other := w.other("other.test:80")
		w.login(Credential{Username: "me", Password: "secret"})
		d := describe([]byte("content"))
		w.reg.On(fakeregistry.Match{Path: "/blobs/"}, fakeregistry.Redirect(307, "http://other.test"))
		other.On(fakeregistry.Match{}, fakeregistry.Status(403))
		if _, err := w.fetchBlob(d); !errors.Is(err, ErrDenied) {
			w.Error(err)
		}
		w.leak(other)
		if w.asked != 0 || len(other.Requests("", "")) != 1 {
			w.Errorf("credentials were looked up %d times", w.asked)
		}
	})
	inBubble(t, func(w *world) { // the root leads elsewhere: what that says is no word of the registry
		other := w.other("other.test:80")
		other.RequireBasic("me", "secret")
		w.login(Credential{Username: "me", Password: "secret"})
		w.reg.On(fakeregistry.Match{Func: func(r *http.Request) bool { return r.URL.Path == "/v2/" }},
			fakeregistry.Redirect(302, "http://other.test"))
		w.reg.On(fakeregistry.Match{}, fakeregistry.Status(403))
		if err := w.resolve("app"); !errors.Is(err, ErrDenied) {
			w.Error(err)
		}
		for _, e := range append(other.Requests("", ""), w.reg.Requests("", "")...) {
			if e.Authorization() != "" {
				w.Errorf("%s %s has the password", e.Method, e.Path)
			}
		}
	})
}

// Many requests at once find out once.
func TestWild46AtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		tokens := w.tokenServer(&fakeregistry.Tokens{Users: map[string]string{"me": "secret"}})
		w.hiding(404)
		w.login(Credential{Username: "me", Password: "secret"})
		w.reg.PutImage("app", "1", oneLayer)
		results := make(chan error)
		repo := w.repo("app")
		for range 8 {
			go func() {
				_, _, err := repo.Resolve(context.Background(), "1")
				results <- err
			}()
		}
		for range 8 {
			if err := <-results; err != nil {
				w.Error(err)
			}
		}
		if n := roots(w.reg) + len(tokens.Requests("", "")); n != 2 {
			w.Errorf("%d requests to log in", n)
		}
	})
}

// Where what is to give out tokens is no token server, Basic is taken if it is offered too.
func TestWild46BasicBesideTokens(t *testing.T) {
	for name, fault := range map[string]fakeregistry.Fault{
		"not found": fakeregistry.Status(404), "web page": fakeregistry.Page(), "empty": fakeregistry.Status(200),
		"not allowed": fakeregistry.Status(405), "to nowhere": fakeregistry.Status(307, "Location", "ftp://x.test"),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.secret()
				w.reg.PutImage("app", "1", oneLayer)
				auth := w.other("auth.test:80")
				auth.On(fakeregistry.Match{}, fault)
				stranger := func(r *http.Request) bool { return r.Header.Get("Authorization") == "" }
				w.reg.On(fakeregistry.Match{Func: stranger},
					fakeregistry.Status(401, "WWW-Authenticate", `Bearer realm="http://auth.test/token", Basic realm="x"`))
				for range 2 {
					if err := w.resolve("app"); err != nil {
						w.Error(err)
					}
				}
				if n := len(auth.Requests("", "")); n != 1 {
					w.Errorf("asked for a token %d times", n)
				}
			})
		})
	}
}

// A registry token is sent where nothing says who gives out tokens: a gateway may be what wants it.
func TestWild46RegistryToken(t *testing.T) {
	for _, challenge := range []string{"", "Bearer", `Bearer error="invalid_token"`} {
		inBubble(t, func(w *world) {
			w.reg.PutImage("app", "1", oneLayer)
			w.login(Credential{RegistryToken: "rt"})
			stranger := func(r *http.Request) bool { return r.Header.Get("Authorization") != "Bearer rt" }
			w.reg.On(fakeregistry.Match{Func: stranger}, fakeregistry.Status(401, "WWW-Authenticate", challenge))
			for range 2 {
				if err := w.resolve("app"); err != nil {
					w.Errorf("%q: %v", challenge, err)
				}
			}
		})
	}
}
