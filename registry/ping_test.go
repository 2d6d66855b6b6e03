package registry

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"drayage/internal/fakeregistry"
)

var ann = Credential{Username: "ann", Password: "secret"}

// openRoot makes a registry that lets everybody see the root of its API, unless what they send is wrong.
func openRoot(w *world, challenge string, ok func(authorization string) bool) {
	w.serve("open.test:80", http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if h := req.Header.Get("Authorization"); h != "" && !ok(h) {
			rw.Header().Set("WWW-Authenticate", challenge)
			rw.WriteHeader(http.StatusUnauthorized)
		}
	}))
}

func TestPingBasic(t *testing.T) {
	for _, password := range []string{"secret", "wrong"} {
		inBubble(t, func(w *world) {
			w.reg.RequireBasic("ann", "secret")
			w.login(Credential{Username: "ann", Password: password})
			err := w.client.Ping(w.Context(), "registry.test")
			if password == "wrong" && !errors.Is(err, ErrDenied) || password == "secret" && err != nil {
				w.Errorf("%s: %v", password, err)
			}
			if asked := w.reg.Requests("", ""); len(asked) != 2 || asked[0].Authorization() != "" ||
				asked[1].Path != "/v2/" {
				w.Errorf("%s: %d requests", password, len(asked))
			}
		})
	}
}

func TestPingToken(t *testing.T) {
	for _, password := range []string{"secret", "wrong"} {
		inBubble(t, func(w *world) {
			tokens := w.tokenServer(&fakeregistry.Tokens{Users: map[string]string{"ann": "secret"}})
			w.login(Credential{Username: "ann", Password: password})
			err := w.client.Ping(w.Context(), "registry.test")
			if password == "wrong" && !errors.Is(err, ErrDenied) || password == "secret" && err != nil {
				w.Errorf("%s: %v", password, err)
			}
			if asked := tokens.Requests("", ""); len(asked) != 1 || asked[0].Authorization() != basic("ann",
				password) {
				w.Errorf("%s: %d requests for tokens", password, len(asked))
			}
		})
	}
}

// Where anonymous users are let in, a wrong password is found out all the same if the registry looks at it.
func TestPingOpenBasic(t *testing.T) {
	inBubble(t, func(w *world) {
		openRoot(w, `Basic realm="x"`, func(h string) bool { return h == basic("ann", "secret") })
		w.login(ann)
		if err := w.client.Ping(w.Context(), "open.test"); err != nil {
			w.Error(err)
		}
		if told := w.told(); len(told) != 1 || !strings.Contains(told[0], "without a password") {
			w.Errorf("%q", told)
		}
		w.login(Credential{Username: "ann", Password: "wrong"})
		w.client.hosts = nil // what is proven is not asked for again
		for range 2 {
			if err := w.client.Ping(w.Context(), "open.test"); !errors.Is(err, ErrDenied) {
				w.Error(err)
			}
		}
	})
}

func TestPingOpenToken(t *testing.T) {
	for _, password := range []string{"secret", "wrong"} {
		inBubble(t, func(w *world) {
			tokens := &fakeregistry.Tokens{Users: map[string]string{"ann": "secret"}}
			w.serve("auth.test:80", tokens)
			openRoot(w, `Bearer realm="http://auth.test/token",service="fake"`,
				func(h string) bool { return strings.HasPrefix(h, "Bearer token-") })
			w.login(Credential{Username: "ann", Password: password})
			err := w.client.Ping(w.Context(), "open.test")
			if password == "wrong" && !errors.Is(err, ErrDenied) || password == "secret" && err != nil {
				w.Errorf("%s: %v", password, err)
			}
			if len(tokens.Requests("", "")) != 1 {
				w.Errorf("%s: the token server has not been asked once", password)
			}
		})
	}
}

// A registry may name its token server in an answer that lets everybody in.
func TestPingOpenNamesTokenServer(t *testing.T) {
	inBubble(t, func(w *world) {
		tokens := &fakeregistry.Tokens{Users: map[string]string{"ann": "secret"}}
		w.serve("auth.test:80", tokens)
		passwords := 0
		w.serve("open.test:80", http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			if _, _, ok := req.BasicAuth(); ok {
				passwords++
			}
			rw.Header().Set("WWW-Authenticate", `Bearer realm="http://auth.test/token"`)
		}))
		w.login(Credential{Username: "ann", Password: "wrong"})
		if err := w.client.Ping(w.Context(), "open.test"); !errors.Is(err, ErrDenied) {
			w.Error(err)
		}
		w.login(ann)
		w.client.hosts = nil // what was refused is not asked for again
		if err := w.client.Ping(w.Context(), "open.test"); err != nil || passwords != 0 {
			w.Errorf("%v; %d passwords for the registry itself", err, passwords)
		}
	})
}

// Nothing but a registry's own 200 is an answer, and nobody else gets the password.
func TestPingNoRegistry(t *testing.T) {
	inBubble(t, func(w *world) {
		passwords := 0
		count := func(h http.HandlerFunc) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
				if req.Header.Get("Authorization") != "" {
					passwords++
				}
				h(rw, req)
			})
		}
		w.serve("portal.test:80", count(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		}))
		w.serve("away.test:80", count(func(rw http.ResponseWriter, req *http.Request) {
			http.Redirect(rw, req, "http://elsewhere.test/v2/", http.StatusFound)
		}))
		w.serve("elsewhere.test:80", count(func(http.ResponseWriter, *http.Request) {}))
		w.serve("none.test:80", count(http.NotFound))
		w.login(ann)
		for _, host := range []string{"portal.test", "away.test"} {
			if err := w.client.Ping(w.Context(), host); err == nil || !strings.Contains(err.Error(), "no registry") {
				w.Errorf("%s: %v", host, err)
			}
		}
		if err := w.client.Ping(w.Context(), "none.test"); !errors.Is(err, ErrNotFound) {
			w.Error(err)
		}
		if passwords != 0 {
			w.Errorf("%d requests with a password", passwords)
		}
	})
}

// A redirect of the request that gives the password unasked does not take it along.
func TestPingKeepsPasswordFromRedirect(t *testing.T) {
	inBubble(t, func(w *world) {
		leaked := ""
		w.serve("elsewhere.test:80", http.HandlerFunc(func(_ http.ResponseWriter,
			req *http.Request) {
			leaked += req.Header.Get("Authorization")
		}))
		w.serve("open.test:80", http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Authorization") != "" {
				http.Redirect(rw, req, "http://elsewhere.test/v2/", http.StatusTemporaryRedirect)
			}
		}))
		w.login(ann)
		if err := w.client.Ping(w.Context(), "open.test"); err == nil || leaked != "" {
			w.Errorf("%v; elsewhere got %q", err, leaked)
		}
	})
}

func TestPingAnonymous(t *testing.T) {
	inBubble(t, func(w *world) {
		if err := w.client.Ping(w.Context(), "registry.test"); err != nil || len(w.told()) != 0 {
			w.Errorf("%v; told %q", err, w.told())
		}
	})
}

// A token from the user's own configuration is used as it is; no token server sees it, or is asked.
func TestRegistryToken(t *testing.T) {
	inBubble(t, func(w *world) {
		asked := 0
		w.serve("auth.test:80", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
		w.serve("token.test:80", http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Authorization") != "Bearer given" {
				rw.Header().Set("WWW-Authenticate", `Bearer realm="http://auth.test/token"`)
				rw.WriteHeader(http.StatusUnauthorized)
			}
		}))
		w.login(Credential{RegistryToken: "given"})
		if err := w.client.Ping(w.Context(), "token.test"); err != nil || asked != 0 {
			w.Errorf("%v; the token server was asked %d times", err, asked)
		}
		w.login(Credential{RegistryToken: "stale"})
		w.client.hosts = nil
		if err := w.client.Ping(w.Context(), "token.test"); !errors.Is(err, ErrDenied) ||
			strings.Contains(err.Error(), "stale") {
			w.Error(err)
		}
	})
}
