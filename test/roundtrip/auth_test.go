package roundtrip

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"drayage/test/registry3"
	"drayage/test/sample"
	"drayage/test/tokenserver"
	"drayage/test/wire"
)

const (
	user     = "ann"
	password = "p:ss word" // a colon and a space, which credentials may have
)

// login writes the config.json that docker login leaves behind.
func (c *cli) login(t *testing.T, registry, user, password string) {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"auths": map[string]any{
		registry: map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + password))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(c.path("docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.path("docker"), "config.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBasicAuthentication(t *testing.T) {
	s := startSite(t, registry3.Options{User: user, Password: password})
	repo := &wire.Repository{URL: s.URL(), Name: "app", User: user, Password: password}
	want := host(t, seed(t, repo, "1", sample.Options{}))
	source := s.Addr() + "/app:1"
	for name, prepare := range map[string]func(*cli) []string{
		"creds":       func(c *cli) []string { return []string{"--creds", user + ":" + password} },
		"config.json": func(c *cli) []string { c.login(t, s.Addr(), user, password); return nil },
		"password-stdin": func(c *cli) []string {
			c.stdin = strings.NewReader(password + "\n")
			return []string{"--creds", user, "--password-stdin"}
		},
		"authfile": func(c *cli) []string {
			c.login(t, s.Addr(), user, password)
			file := c.path("auth.json")
			if err := os.Rename(filepath.Join(c.path("docker"), "config.json"), file); err != nil {
				t.Fatal(err)
			}
			return []string{"--authfile", file}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCLI(t)
			c.must(t, append([]string{"fetch", source, "-o", "images"}, prepare(c)...)...)
			checkInLayout(t, c.path("images"), source, want)
			c.must(t, append([]string{"push", "images", s.Addr() + "/copy/" + name + ":2"}, prepare(c)...)...)
			copied := *repo
			copied.Name = "copy/" + name
			checkServed(t, &copied, "2", want)
		})
	}
}

func TestWrongPassword(t *testing.T) {
	tokens := startTokens(t, tokenserver.Options{User: user, Password: password})
	for name, opts := range map[string]registry3.Options{
		"basic": {User: user, Password: password},
		"token": {Token: tokens},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSite(t, opts)
			source, guess := s.Addr()+"/app:1", "wrong-guess"
			c := newCLI(t)
			refused := c.fails(t, exitAuth, "fetch", "-q", source, "-o", "images", "--creds", user+":"+guess)
			checkOneLine(t, refused, s.Addr())
			missing := c.fails(t, exitAuth, "fetch", "-q", source, "-o", "images")
			checkOneLine(t, missing, s.Addr())
			for _, r := range []result{refused, missing} {
				if strings.Contains(r.stderr, guess) {
					t.Errorf("the error shows the password: %s", r)
				}
			}
		})
	}
}

func startTokens(t *testing.T, opts tokenserver.Options) *tokenserver.Server {
	t.Helper()
	tokens, err := tokenserver.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tokens.Close)
	return tokens
}

// seedTokenSite starts a registry that wants tokens and an open one over the same directory, which holds the
// sample.
func seedTokenSite(t *testing.T, opts registry3.Options) (guarded, open *site, img *sample.Image) {
	t.Helper()
	opts.Dir = t.TempDir()
	open = startSite(t, registry3.Options{Dir: opts.Dir})
	img = open.seed(t, "app", "1", sample.Options{})
	return startSite(t, opts), open, img
}

func TestTokens(t *testing.T) {
	for name, opts := range map[string]tokenserver.Options{
		"ordinary": {ExpiresIn: 5 * time.Minute},
		"unstated": {}, // no expires_in
		// must be renewed on the way or in time
		"short-lived": {Lifetime: time.Second, ExpiresIn: time.Second},
		// the registry refuses sooner than was promised
		"overstated": {Lifetime: time.Second, ExpiresIn: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			opts.User, opts.Password = user, password
			tokens := startTokens(t, opts)
			s, open, img := seedTokenSite(t, registry3.Options{Token: tokens})
			source := s.Addr() + "/app:1"
			c := newCLI(t)
			c.must(t, "fetch", source, "-o", "images", "--creds", user+":"+password)
			checkInLayout(t, c.path("images"), source, host(t, img))
			c.must(t, "push", "images", s.Addr()+"/copy:2", "--creds", user+":"+password)
			if tokens.Issued() == 0 {
				t.Error("no token was asked for")
			}
			checkServed(t, open.repo("copy"), "2", host(t, img))
		})
	}
}

func TestAnonymousPull(t *testing.T) {
	tokens := startTokens(t, tokenserver.Options{AnonymousPull: true})
	s, _, img := seedTokenSite(t, registry3.Options{Token: tokens})
	source := s.Addr() + "/app:1"
	c := newCLI(t)
	c.must(t, "fetch", source, "-o", "images")
	checkInLayout(t, c.path("images"), source, host(t, img))
	c.fails(t, exitAuth, "push", "images", s.Addr()+"/copy:2")
}

// wearOut makes the registry forget a token after some uses, by taking it off the request: the challenge that
// follows is distribution's own.
func wearOut(uses int) func(http.Handler) http.Handler {
	var mu sync.Mutex
	seen := map[string]int{}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			token := r.Header.Get("Authorization")
			seen[token]++
			if seen[token] > uses {
				r.Header.Del("Authorization")
			}
			mu.Unlock()
			next.ServeHTTP(w, r)
		})
	}
}

// A token may end between any two requests of a transfer, whatever lifetime was promised. One job at a time:
// with more, the others could use up a new token before the request that asked for it, which no registry
// does.
func TestTokensThatWearOut(t *testing.T) {
	tokens := startTokens(t, tokenserver.Options{User: user, Password: password, ExpiresIn: 10 * time.Minute})
	s, open, img := seedTokenSite(t, registry3.Options{Token: tokens, Wrap: wearOut(5)})
	source := s.Addr() + "/app:1"
	c := newCLI(t)
	c.must(t, "fetch", source, "-o", "images", "--platform", "all", "-j", "1", "--creds", user+":"+password)
	if n := tokens.Issued(); n < 2 {
		t.Errorf("%d tokens were issued, so none was renewed", n)
	}
	before := tokens.Issued()
	c.must(t, "push", "images", s.Addr()+"/copy:2", "-j", "1", "--creds", user+":"+password)
	if n := tokens.Issued() - before; n < 2 {
		t.Errorf("push used %d tokens, so none was renewed", n)
	}
	checkWhole(t.Context(), t, open.repo("copy"), "2", img)
}

// A registry that refuses every token must end in an error, not in a loop.
func TestTokensThatAreNeverAccepted(t *testing.T) {
	tokens := startTokens(t, tokenserver.Options{User: user, Password: password, Lifetime: -time.Hour})
	s, _, _ := seedTokenSite(t, registry3.Options{Token: tokens})
	c := newCLI(t)
	c.fails(t, exitAuth, "fetch", s.Addr()+"/app:1", "-o", "images", "--creds", user+":"+password)
	if n := tokens.Issued(); n > 10 {
		t.Errorf("%d tokens were asked for", n)
	}
}
