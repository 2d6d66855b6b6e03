package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/fakeregistry"
)

// tokenServer makes the registry demand tokens of a server at auth.test.
func (w *world) tokenServer(tokens *fakeregistry.Tokens) *fakeregistry.Tokens {
	w.serve("auth.test:80", tokens)
	w.reg.RequireToken(tokens, "http://auth.test/token")
	return tokens
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func (w *world) resolve(name string) error {
	_, _, err := w.repo(name).Resolve(w.Context(), "1")
	return err
}

func TestTokenAnonymous(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("team/app", "1", oneLayer)
		tokens := w.tokenServer(&fakeregistry.Tokens{})
		for range 3 {
			if err := w.resolve("team/app"); err != nil {
				w.Fatal(err)
			}
		}
		asked := tokens.Requests("", "")
		if len(asked) != 1 {
			w.Fatalf("%d requests for tokens, want 1", len(asked))
		}
		got, err := url.ParseQuery(asked[0].Query)
		if err != nil {
			w.Fatal(err)
		}
		want := url.Values{"service": {"fake"}, "scope": {"repository:team/app:pull"}}
		if diff := cmp.Diff(want, got); diff != "" || asked[0].Method != "GET" || asked[0].Authorization() != "" {
			w.Errorf("%s %q: %s", asked[0].Method, asked[0].Authorization(), diff)
		}
		if refused := len(w.reg.Requests("", "/manifests/")); refused != 4 {
			w.Errorf("%d requests, want one that is refused and three", refused)
		}
	})
}

func TestTokenWithPassword(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		tokens := w.tokenServer(&fakeregistry.Tokens{Users: map[string]string{"me": "pass:word"}})
		w.login(Credential{Username: "me", Password: "pass:word"})
		if err := w.resolve("app"); err != nil {
			w.Fatal(err)
		}
		asked := tokens.Requests("", "")
		if len(asked) != 1 || asked[0].Authorization() != basic("me", "pass:word") ||
			!strings.Contains(asked[0].Query, "account=me") {
			w.Errorf("%+v", asked)
		}
	})
}

func TestTokenByIdentity(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		tokens := &fakeregistry.Tokens{Identity: "idt"}
		var form url.Values
		w.serve("auth.test:80", http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			req.ParseForm()
			form = req.PostForm
			tokens.ServeHTTP(rw, req)
		}))
		w.reg.RequireToken(tokens, "http://auth.test/token")
		w.login(Credential{Username: "00000000-0000-0000-0000-000000000000", IdentityToken: "idt"})
		if err := w.resolve("app"); err != nil {
			w.Fatal(err)
		}
		want := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"idt"}, "service": {"fake"},
			"client_id": {"drayage"}, "scope": {"repository:app:pull"}}
		asked := tokens.Requests("", "")
		if diff := cmp.Diff(want, form); diff != "" || len(asked) != 1 || asked[0].Method != "POST" ||
			asked[0].Query != "" {
			w.Errorf("%+v: %s", asked, diff)
		}
	})
}

// Registries that do not take identity tokens say so in four ways.
func TestTokenByIdentityFallsBack(t *testing.T) {
	for _, status := range []int{400, 401, 404, 405, 403} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", oneLayer)
				tokens := &fakeregistry.Tokens{Identity: "other"}
				w.serve("auth.test:80", http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
					if req.Method == http.MethodPost {
						rw.WriteHeader(status)
						return
					}
					tokens.ServeHTTP(rw, req)
				}))
				w.reg.RequireToken(tokens, "http://auth.test/token")
				w.login(Credential{Username: "me", Password: "secret", IdentityToken: "idt"})
				err := w.resolve("app")
				asked := tokens.Requests("GET", "")
				if status == 403 {
					if !errors.Is(err, ErrDenied) || len(asked) != 0 {
						w.Errorf("%v, %d GET", err, len(asked))
					}
					return
				}
				if err != nil || len(asked) != 1 || asked[0].Authorization() != basic("me", "secret") {
					w.Errorf("%v, %+v", err, asked)
				}
			})
		})
	}
}

// A token that ends is replaced before it is used again, without a refusal in between.
func TestTokenExpires(t *testing.T) {
	for life, want := range map[time.Duration]int{0: 3, 5 * time.Second: 3, 10 * time.Minute: 1} {
		inBubble(t, func(w *world) {
			w.reg.PutImage("app", "1", oneLayer)
			// What says it lives for less than a minute lives for a minute: the specification makes that the least.
			tokens := w.tokenServer(&fakeregistry.Tokens{Life: life})
			if life == 5*time.Second {
				tokens.Life = 0
				w.serve("short.test:80", rewrite(tokens, `"token"`, `"expires_in":5,"token"`))
				w.reg.RequireToken(tokens, "http://short.test/token")
			}
			for range 3 {
				if err := w.resolve("app"); err != nil {
					w.Fatal(err)
				}
				time.Sleep(58 * time.Second)
			}
			if n := len(tokens.Requests("", "")); n != want {
				w.Errorf("life %s: %d tokens, want %d", life, n, want)
			}
			if n := len(w.reg.Requests("", "/manifests/")); n != 4 {
				w.Errorf("life %s: %d requests, want 4", life, n)
			}
		})
	}
}

// rewrite changes the body of every answer.
func rewrite(h http.Handler, old, new string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h.ServeHTTP(replacer{w, strings.NewReplacer(old, new)}, req)
	})
}

type replacer struct {
	http.ResponseWriter
	*strings.Replacer
}

func (r replacer) Write(p []byte) (int, error) {
	_, err := r.WriteString(r.ResponseWriter, string(p))
	return len(p), err
}

// A revoked token is renewed once in each request, also where two tokens could have been sent.
func TestTokenRevoked(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutImage("app", "1", oneLayer)
		tokens := w.tokenServer(&fakeregistry.Tokens{Life: time.Hour})
		raw := w.reg.Manifest("app", d.Digest)
		for i := range 3 {
			if err := w.resolve("app"); err != nil {
				w.Fatal(err)
			}
			if err := w.repo("app").Pusher().PutManifest(w.Context(), fmt.Sprint("new", i), d.MediaType,
				raw); err != nil {
				w.Fatal(err)
			}
			time.Sleep(time.Second)
			tokens.Revoke()
		}
	})
}

// The token that was just got can be the one that is refused: for a mount it has to allow more than for a
// push.
func TestTokenOfMountAllowsBoth(t *testing.T) {
	inBubble(t, func(w *world) {
		d := w.reg.PutBlob("from", []byte("content"))
		w.tokenServer(&fakeregistry.Tokens{})
		if ok, err := w.repo("to").Exists(w.Context(), d); ok || err != nil {
			w.Fatal(ok, err)
		}
		for _, to := range []string{"to", "another"} {
			if ok, err := w.repo(to).Pusher().Mount(w.Context(), d, "from"); !ok || err != nil {
				w.Errorf("mounted into %s: %v, %v", to, ok, err)
			}
		}
	})
}

// Access to one repository must not depend on access to another that was refused before.
func TestTokenAsksForItsOwnRepository(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("public", "1", oneLayer)
		w.reg.PutImage("private", "1", oneLayer)
		w.tokenServer(&fakeregistry.Tokens{Forbid: []string{"private"}})
		if err := w.resolve("private"); !errors.Is(err, ErrDenied) {
			w.Errorf("private: %v", err)
		}
		if err := w.resolve("public"); err != nil {
			w.Errorf("public, after private: %v", err)
		}
	})
}

// Not even the registry may be asked twice with what was refused: accounts get locked.
func TestDeniedOnlyOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		w.login(Credential{Username: "me", Password: "wrong"})
		tokens := w.tokenServer(&fakeregistry.Tokens{Users: map[string]string{"me": "right"}})
		for range 3 {
			err := w.resolve("app")
			if !errors.Is(err, ErrDenied) || strings.Contains(err.Error(), "wrong") {
				w.Errorf("error %v", err)
			}
		}
		if n := len(tokens.Requests("", "")); n != 1 {
			w.Errorf("%d requests for tokens, want 1", n)
		}
	})
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		w.login(Credential{Username: "me", Password: "wrong"})
		w.reg.RequireBasic("me", "right")
		for range 3 {
			if err := w.resolve("app"); !errors.Is(err, ErrDenied) || strings.Contains(err.Error(), "wrong") {
				w.Errorf("error %v", err)
			}
		}
		sent := 0
		for _, e := range w.reg.Requests("", "") {
			if e.Authorization() != "" {
				sent++
			}
		}
		if sent != 1 {
			w.Errorf("the refused password was sent %d times", sent)
		}
	})
}

// A password that was good once is not to blame for what it does not open.
func TestBasicOutOfReach(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		w.reg.PutImage("private", "1", oneLayer)
		w.login(Credential{Username: "me", Password: "right"})
		w.reg.RequireBasic("me", "right")
		w.reg.On(fakeregistry.Match{Path: "/private/"}, fakeregistry.Status(401, "WWW-Authenticate",
			`Basic realm="r"`))
		for range 2 {
			if err := w.resolve("app"); err != nil {
				w.Error(err)
			}
			if err := w.resolve("private"); !errors.Is(err, ErrDenied) {
				w.Errorf("private: %v", err)
			}
		}
	})
}

func TestBasic(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		w.reg.RequireBasic("me", "right")
		if err := w.resolve("app"); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "--creds") {
			w.Errorf("anonymously: %v", err)
		}
		w.login(Credential{Username: "me", Password: "right"})
		for range 3 {
			if err := w.resolve("app"); err != nil {
				w.Error(err)
			}
		}
		if n := len(w.reg.Requests("", "/manifests/")); n != 5 {
			w.Errorf("%d requests, want 5: two that are refused", n)
		}
	})
}

func TestCredentialsFail(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		w.tokenServer(&fakeregistry.Tokens{})
		locked := errors.New("the keychain is locked")
		w.client.Credentials = func(_ context.Context, host, _ string) (Credential, error) {
			if host != "registry.test" {
				w.Errorf("asked for %s", host)
			}
			return Credential{}, locked
		}
		if err := w.resolve("app"); err == nil || !strings.Contains(err.Error(), locked.Error()) {
			w.Error(err)
		}
	})
}

// A 401 that says nothing of how to log in is passed on as it is.
func TestNoUsableChallenge(t *testing.T) {
	for _, header := range []string{"", "Negotiate", "Bearer", `Bearer service="s"`, "%%%"} {
		inBubble(t, func(w *world) {
			w.login(Credential{Username: "me", Password: "secret"})
			w.reg.On(fakeregistry.Match{}, fakeregistry.Answer(401,
				`{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}`, "WWW-Authenticate", header))
			err := w.resolve("app")
			var e *Error
			if !errors.As(err, &e) || e.Status != 401 || e.Message != "who are you" ||
				len(w.reg.Requests("", "/app/")) > 2 {
				w.Errorf("%q: %v", header, err)
			}
			for _, e := range w.reg.Requests("", "") {
				if header != "" && e.Authorization() != "" {
					w.Errorf("%q is answered with the password", header)
				}
			}
		})
	}
}

func TestTokenAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   string // in the error
	}{
		"web page":      {200, "<html>log in</html>", "not a token"},
		"empty":         {200, "", "not a token"},
		"null":          {200, "null", "no token"},
		"no token":      {200, `{"expires_in":300}`, "no token"},
		"newline":       {200, `{"token":"a\r\nX-Evil: yes"}`, "no token"},
		"control":       {200, `{"token":"a\u0000b"}`, "no token"},
		"not ASCII":     {200, `{"token":"a\u007fb"}`, "no token"},
		"huge":          {200, `{"token":"` + strings.Repeat("x", 1<<20) + `"}`, "larger than"},
		"denied":        {401, `{"details":"incorrect username or password"}`, "incorrect username or password"},
		"forbidden":     {403, `{"errors":[{"code":"DENIED","message":"no"}]}`, "DENIED"},
		"bad request":   {400, `{"error":"invalid_scope"}`, "400"},
		"not found":     {404, "", "404"},
		"redirect away": {302, "", "302"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.reg.PutImage("app", "1", oneLayer)
				w.reg.RequireToken(&fakeregistry.Tokens{}, "http://auth.test/token?x=1")
				asked := 0
				w.serve("auth.test:80", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
					asked++
					rw.WriteHeader(tc.status)
					io.WriteString(rw, tc.body)
				}))
				err := w.resolve("app")
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					w.Errorf("error %v, want one with %q", err, tc.want)
				}
				if asked != 1 && tc.status != 302 {
					w.Errorf("asked %d times", asked)
				}
				if err != nil && strings.ContainsAny(err.Error(), "\r\n\x00") {
					w.Errorf("error %q", err)
				}
			})
		})
	}
}

// Any success brings a token, and what else an answer says may be odd.
func TestWild05LenientTokenAnswers(t *testing.T) {
	for _, status := range []int{200, 201, 202, 203, 206} {
		for _, body := range []string{`"expires_in":"300"`, `"expires_in":"x","issued_at":0`, `"expires_in":null`} {
			for _, identity := range []string{"", "idt"} {
				inBubble(t, func(w *world) {
					w.reg.PutImage("app", "1", oneLayer)
					tokens := w.tokenServer(&fakeregistry.Tokens{Identity: identity})
					w.serve("odd.test:80", http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
						rw.WriteHeader(status)
						rewrite(tokens, `"token"`, body+`,"token"`).ServeHTTP(rw, req)
					}))
					w.reg.RequireToken(tokens, "http://odd.test/token")
					w.login(Credential{Username: "me", IdentityToken: identity})
					if err := w.resolve("app"); err != nil {
						w.Errorf("%d, %s: %v", status, body, err)
					}
				})
			}
		}
	}
}

func TestWild05TokenLife(t *testing.T) {
	inBubble(t, func(w *world) {
		for body, want := range map[string]time.Duration{
			`{"token":"t"}`: time.Minute, `{"token":"t","expires_in":0}`: time.Minute,
			`{"token":"t","expires_in":-7}`: time.Minute,
			`{"token":"t","expires_in":30}`: time.Minute, `{"token":"t","expires_in":300}`: 5 * time.Minute,
			`{"token":"t","expires_in":1e300}`:        1e6 * time.Second,
			`{"access_token":"t","expires_in":300.5}`: 300500 * time.Millisecond,
			`{"token":"t","expires_in":"300"}`:        5 * time.Minute, `{"token":"t","expires_in":" 3e2 "}`: 5 * time.Minute,
			`{"token":"t","expires_in":"soon"}`: time.Minute, `{"token":"t","expires_in":"300s"}`: time.Minute,
			`{"token":"t","expires_in":null}`: time.Minute, `{"token":"t","expires_in":true}`: time.Minute,
			`{"token":"t","expires_in":{"s":300}}`: time.Minute, `{"token":"t","expires_in":[300]}`: time.Minute,
			`{"token":"t","expires_in":1e999}`: time.Minute, `{"token":"t","expires_in":"NaN"}`: time.Minute,
			`{"token":"t","expires_in":"Inf"}`: 1e6 * time.Second, `{"token":"t","expires_in":""}`: time.Minute,
			`{"token":" t\n","issued_at":7,"scope":["a"]}`: time.Minute, `{"token":null,"access_token":"t"}`: time.Minute,
			`{"token":["x"],"access_token":"t","refresh_token":{}}`:             time.Minute,
			`{"token":"t","expires_in":300,"issued_at":"1999-01-01T00:00:00Z"}`: 5 * time.Minute,
		} {
			got, err := parseToken("auth.test", []byte(body))
			if life := time.Until(got.expires) + tokenMargin; err != nil || got.value != "t" || life != want {
				w.Errorf("%s: %q for %s, %v; want %s", body, got.value, life, err, want)
			}
		}
	})
}

// A denial that comes while a request is made ready is not a failure of the network and not tried again.
func TestDeniedBeforeSending(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("public", "1", oneLayer)
		w.reg.PutImage("private", "1", oneLayer)
		w.tokenServer(&fakeregistry.Tokens{Forbid: []string{"private"}})
		if err := w.resolve("public"); err != nil {
			w.Fatal(err)
		}
		began := time.Now()
		err := w.resolve("private")
		if !errors.Is(err, ErrDenied) || errors.Is(err, ErrUnavailable) || time.Since(began) != 0 {
			w.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// When the token server is gone it is tried as often as any server, and not once more for each try of the
// registry.
func TestTokenServerGone(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		w.tokenServer(&fakeregistry.Tokens{})
		if err := w.resolve("app"); err != nil {
			w.Fatal(err)
		}
		gone := fakeregistry.New()
		gone.On(fakeregistry.Match{}, fakeregistry.CutBody(0))
		w.serve("auth.test:80", gone)
		w.client.Close()
		time.Sleep(2 * time.Minute)
		if err := w.resolve("app"); !errors.Is(err, ErrUnavailable) {
			w.Error(err)
		}
		if n := len(gone.Requests("", "")); n != maxTries {
			w.Errorf("asked %d times, want %d", n, maxTries)
		}
	})
}

// The wait for a token is not a stall of the request that needs it.
func TestTokenServerAsksToWait(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		tokens := &fakeregistry.Tokens{}
		busy := fakeregistry.New()
		busy.On(fakeregistry.Match{Count: 1, First: 2}, fakeregistry.Status(429, "Retry-After", "150"))
		busy.On(fakeregistry.Match{}, func(http.Handler) http.Handler { return tokens })
		w.serve("auth.test:80", busy)
		w.reg.RequireToken(tokens, "http://auth.test/token")
		for range 2 {
			if err := w.resolve("app"); err != nil {
				w.Error(err)
			}
			time.Sleep(2 * time.Minute)
		}
		if n := len(busy.Requests("", "")); n != 3 {
			w.Errorf("asked %d times, want 3", n)
		}
	})
}

// The token server's failures are retried like a registry's.
func TestTokenServerFailsAtFirst(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		tokens := &fakeregistry.Tokens{}
		faulty := fakeregistry.New()
		faulty.On(fakeregistry.Match{Count: 2}, fakeregistry.Status(503))
		faulty.On(fakeregistry.Match{First: 3, Count: 1}, fakeregistry.CutBody(0))
		faulty.On(fakeregistry.Match{First: 4}, func(http.Handler) http.Handler { return tokens })
		w.serve("auth.test:80", faulty)
		w.reg.RequireToken(tokens, "http://auth.test/token")
		if err := w.resolve("app"); err != nil {
			w.Error(err)
		}
	})
}

// A realm may be given relative to the registry.
func TestTokenRealmRelative(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		tokens := &fakeregistry.Tokens{}
		w.reg.RequireToken(tokens, "/service/token")
		w.reg.On(fakeregistry.Match{Path: "/service/token"}, func(http.Handler) http.Handler { return tokens })
		if err := w.resolve("app"); err != nil {
			w.Error(err)
		}
	})
}

// Podman keeps credentials for parts of a registry: each repository is asked for with its own.
func TestCredentialOfRepository(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.RequireBasic("app", "right")
		w.reg.PutImage("app", "1", fakeregistry.Image{})
		w.reg.PutImage("other", "1", fakeregistry.Image{})
		w.client.Credentials = func(_ context.Context, _, repository string) (Credential, error) {
			return Credential{Username: repository, Password: "right"}, nil
		}
		if _, _, err := w.repo("app").Resolve(w.Context(), "1"); err != nil {
			w.Error(err)
		}
		if _, _, err := w.repo("other").Resolve(w.Context(), "1"); !errors.Is(err, ErrDenied) {
			w.Errorf("other repository: %v", err)
		}
		if _, _, err := w.repo("app").Resolve(w.Context(), "1"); err != nil {
			w.Errorf("after another user was refused: %v", err)
		}
	})
}

// A password that has never been taken is not tried for each of many repositories: accounts get locked for
// less.
func TestTokenWrongPasswordIsSentRarely(t *testing.T) {
	inBubble(t, func(w *world) {
		tokens := w.tokenServer(&fakeregistry.Tokens{Users: map[string]string{"me": "secret"}})
		w.login(Credential{Username: "me", Password: "wrong"})
		for i := range 6 {
			name := fmt.Sprint("app", i)
			w.reg.PutImage(name, "1", oneLayer)
			if err := w.resolve(name); !errors.Is(err, ErrDenied) {
				w.Errorf("%s: %v", name, err)
			}
		}
		if n := len(tokens.Requests("", "")); n != maxMisfits {
			w.Errorf("the password was sent %d times, want %d", n, maxMisfits)
		}
	})
}

// One that has been taken goes on to be sent, however many repositories are out of its reach.
func TestTokenGoodPasswordIsSentOn(t *testing.T) {
	inBubble(t, func(w *world) {
		forbidden := []string{"no0", "no1", "no2", "no3"}
		w.tokenServer(&fakeregistry.Tokens{Users: map[string]string{"me": "secret"}, Forbid: forbidden})
		w.login(Credential{Username: "me", Password: "secret"})
		for _, name := range append(append([]string{"first"}, forbidden...), "last") {
			w.reg.PutImage(name, "1", oneLayer)
			if err := w.resolve(name); (err != nil) != strings.HasPrefix(name, "no") {
				w.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Who has only an identity token is told that it is of no use, before everything goes on without.
func TestTokenRefusedIdentityIsSaid(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		w.tokenServer(&fakeregistry.Tokens{Identity: "other"})
		w.login(Credential{Username: "me", IdentityToken: "idt"})
		var notes []string
		w.client.Observe = func(e Event) {
			if n, ok := e.(Notice); ok {
				notes = append(notes, n.Text)
			}
		}
		if err := w.resolve("app"); err != nil || len(notes) != 1 || !strings.Contains(notes[0], "identity token") {
			w.Errorf("%v, notes %q", err, notes)
		}
	})
}

// A token that another request has got can have been revoked by the time it is used for the first one,
// which has not been given any so far.
func TestTokenOfAnotherRequestRevoked(t *testing.T) {
	inBubble(t, func(w *world) {
		w.reg.PutImage("app", "1", oneLayer)
		tokens := w.tokenServer(&fakeregistry.Tokens{Life: time.Hour})
		manifests := fakeregistry.Match{Path: "/manifests/", Count: 1}
		w.reg.On(manifests, fakeregistry.Call(func(*http.Request) {
			time.Sleep(time.Second)
			if err := w.resolve("app"); err != nil {
				w.Error(err)
			}
		}))
		manifests.First = 4 // the first, twice the other, and now the first with the other's token
		w.reg.On(manifests, fakeregistry.Call(func(*http.Request) { tokens.Revoke() }))
		if err := w.resolve("app"); err != nil {
			w.Error(err)
		}
		if n := len(tokens.Requests("", "")); n != 2 {
			w.Errorf("%d tokens were asked for, want 2", n)
		}
	})
}
