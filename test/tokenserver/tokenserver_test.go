package tokenserver_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"go.uber.org/goleak"

	"drayage/test/registry3"
	"drayage/test/tokenserver"
)

func TestMain(m *testing.M) {
	// Every distribution App leaves this goroutine behind.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/docker/go-events.(*Broadcaster).run"))
}

type client struct {
	*http.Client
	t *testing.T
}

func newClient(t *testing.T) client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return client{&http.Client{Transport: transport}, t}
}

// get returns the status and, if out is not nil, decodes the body.
func (c client) get(target string, auth func(*http.Request), out any) int {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, target, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if auth != nil {
		auth(req)
	}
	resp, err := c.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if out != nil {
		if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
			c.t.Fatal(err)
		}
	}
	return resp.StatusCode
}

func basic(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

type answer struct {
	Token     string `json:"token"`
	ExpiresIn int    `json:"expires_in"`
}

func start(t *testing.T, opts tokenserver.Options) (*tokenserver.Server, *registry3.Server) {
	t.Helper()
	tokens, err := tokenserver.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tokens.Close)
	registry, err := registry3.Start(t.Context(), registry3.Options{Token: tokens})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	return tokens, registry
}

func tokenURL(s *tokenserver.Server, scope string) string {
	return s.Realm() + "?" + url.Values{"service": {s.Service()}, "scope": {scope}}.Encode()
}

const scope = "repository:team/app:pull,push"

func TestRegistryAcceptsToken(t *testing.T) {
	tokens, registry := start(t, tokenserver.Options{User: "ann", Password: "secret",
		ExpiresIn: 90 * time.Second})
	c := newClient(t)
	var got answer
	if status := c.get(tokenURL(tokens, scope), basic("ann", "secret"), &got); status != http.StatusOK {
		t.Fatalf("token request: status %d", status)
	}
	if got.ExpiresIn != 90 {
		t.Errorf("expires_in = %d, want 90", got.ExpiresIn)
	}
	tags := registry.URL() + "/v2/team/app/tags/list"
	if status := c.get(tags, bearer(got.Token), nil); status != http.StatusNotFound {
		t.Errorf("tags of an absent repository with a token: status %d, want 404", status)
	}
	if status := c.get(tags, bearer(got.Token+"x"), nil); status != http.StatusUnauthorized {
		t.Errorf("tags with a broken token: status %d, want 401", status)
	}
	if n := tokens.Issued(); n != 1 {
		t.Errorf("Issued() = %d, want 1", n)
	}
}

func TestRefusals(t *testing.T) {
	tokens, _ := start(t, tokenserver.Options{User: "ann", Password: "secret"})
	c := newClient(t)
	for _, tc := range []struct {
		name, target string
		auth         func(*http.Request)
		want         int
	}{
		{"no credentials", tokenURL(tokens, scope), nil, http.StatusUnauthorized},
		{"wrong password", tokenURL(tokens, scope), basic("ann", "guess"), http.StatusUnauthorized},
		{"wrong user", tokenURL(tokens, scope), basic("bob", "secret"), http.StatusUnauthorized},
		{"malformed scope", tokenURL(tokens, "nonsense"), basic("ann", "secret"), http.StatusBadRequest},
		{"other service", tokens.Realm() + "?service=other", basic("ann", "secret"), http.StatusBadRequest},
	} {
		if status := c.get(tc.target, tc.auth, nil); status != tc.want {
			t.Errorf("%s: status %d, want %d", tc.name, status, tc.want)
		}
	}
	if issued, refused := tokens.Issued(), tokens.Refused(); issued != 0 || refused != 3 {
		t.Errorf("issued %d and refused %d tokens, want 0 and 3", issued, refused)
	}
}

func TestAnonymousPull(t *testing.T) {
	tokens, registry := start(t, tokenserver.Options{AnonymousPull: true})
	c := newClient(t)
	var got answer
	if status := c.get(tokenURL(tokens, scope), nil, &got); status != http.StatusOK {
		t.Fatalf("anonymous token request: status %d", status)
	}
	if status := c.get(registry.URL()+"/v2/team/app/tags/list", bearer(got.Token),
		nil); status != http.StatusNotFound {
		t.Errorf("anonymous pull: status %d, want 404 for the absent repository", status)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		registry.URL()+"/v2/team/app/blobs/uploads/", nil)
	if err != nil {
		t.Fatal(err)
	}
	bearer(got.Token)(req)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("anonymous push: status %d, want 401", resp.StatusCode)
	}
}

// The registry must refuse what is past its lifetime despite the leeway it grants, or tests of expiry would
// test nothing.
func TestExpiredTokenIsRefused(t *testing.T) {
	tokens, registry := start(t, tokenserver.Options{User: "ann", Password: "secret",
		Lifetime: -2 * time.Second})
	token, err := tokens.Token(tokenserver.Access{Type: "repository", Name: "team/app",
		Actions: []string{"pull"}})
	if err != nil {
		t.Fatal(err)
	}
	if status := newClient(t).get(registry.URL()+"/v2/team/app/tags/list", bearer(token),
		nil); status != http.StatusUnauthorized {
		t.Errorf("expired token: status %d, want 401", status)
	}
}
