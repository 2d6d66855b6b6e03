package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"drayage/internal/kind"
)

// Credential is what a user logs in to a registry with. The zero value is anonymous.
type Credential struct {
	Username      string
	Password      string
	IdentityToken string // exchanged for short-lived tokens, instead of a password
	RegistryToken string // sent to a registry that wants tokens, which are then not asked for
}

func (c Credential) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password))
}

var errNoChallenge = errors.New("no usable challenge")

// authorizer knows how one host wants requests to be authenticated. The first request goes out without
// authorization. Its 401 says it for all that follow, or introduce finds out.
type authorizer struct {
	host   *host
	proven atomic.Bool // the registry has let a request with authorization through

	mu        sync.Mutex
	challenge challenge        // scheme is basic or bearer, or empty until the host has asked
	tokens    map[string]token // by scope
	misfits   int              // how often the token server has refused our password
	refused   map[string]error // what was said to our credentials, by scopes; to a password, by basicKey
	root      *http.Response   // to a stranger, about the root of the API; nil: it has not been asked
	guessed   bool             // Basic has been tried although nothing asked for it
	guessing  bool             // and whether it helps is not known yet
}

// loginError says that no token was to be had. What it wraps may be the answer of a token server.
type loginError struct{ error }

func (e *loginError) Unwrap() error { return e.error }

type token struct {
	value           string
	issued, expires time.Time
}

// scope is what a token must allow (https://distribution.github.io/distribution/spec/auth/scope/).
func scope(repository, actions string) string { return "repository:" + repository + ":" + actions }

// catalogScope is what a token for the list of repositories must allow.
const catalogScope = "registry:catalog:*"

func repositoryOf(scope string) string {
	rest, ok := strings.CutPrefix(scope, "repository:")
	if !ok {
		return ""
	}
	return rest[:max(strings.LastIndex(rest, ":"), 0)]
}

// basicKey is the key in refused for the password of a user. No scope looks like it.
func basicKey(user string) string { return "user " + user }

// authorize puts the known authorization on req, which goes to the registry's own origin. No other gets one:
// redirects and foreign addresses end there.
func (a *authorizer) authorize(ctx context.Context, req *http.Request, scope string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.challenge.scheme {
	case "basic":
		cred, err := a.credential(ctx, scope)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", cred.basic())
	case "bearer":
		t, err := a.token(ctx, scope, "")
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+t.value)
	}
	return nil
}

// credential is the credential for Basic authentication. It is an error if the registry refused it before.
// The caller holds a.mu.
func (a *authorizer) credential(ctx context.Context, scope string) (Credential, error) {
	cred, err := a.host.credential(ctx, repositoryOf(scope))
	if err == nil {
		err = a.refused[basicKey(cred.Username)]
	}
	return cred, err
}

func (h *host) credential(ctx context.Context, repository string) (Credential, error) {
	if h.client.Credentials == nil {
		return Credential{}, nil
	}
	c, err := h.client.Credentials(ctx, h.name, repository)
	if err != nil {
		return Credential{}, fmt.Errorf("credentials for %s: %w", h.name, err)
	}
	return c, nil
}

// token returns the cached token for scope, or asks for one that also allows what a challenge demanded. The
// caller holds a.mu, so that one worker asks and the others wait for the same answer.
func (a *authorizer) token(ctx context.Context, scope, demanded string) (token, error) {
	if t, ok := a.held(scope); ok {
		return t, nil
	}
	scopes := allScopes(scope, demanded)
	asked := strings.Join(scopes, " ")
	if err := a.refused[asked]; err != nil {
		return token{}, err // to ask again with the same credentials gets accounts locked
	}
	t, err := a.fetchToken(ctx, scope, scopes)
	if err != nil {
		err = &loginError{err}
		if errors.Is(err, ErrDenied) {
			a.refused[asked] = err
		}
		return token{}, err
	}
	a.tokens[scope] = t
	return t, nil
}

func (a *authorizer) held(scope string) (token, bool) {
	for _, s := range usable(scope) {
		if t, ok := a.tokens[s]; ok && time.Now().Before(t.expires) {
			return t, true
		}
	}
	return token{}, false
}

// usable are the scopes whose tokens allow what scope asks for.
func usable(scope string) []string {
	if strings.HasSuffix(scope, ":pull") {
		return []string{scope, scope + ",push"}
	}
	return []string{scope}
}

// renew reads the challenge of a 401 to a request that was begun at the given time. It forgets the token that
// was sent and older ones. It reports whether the next request goes out with something new in place of what
// was refused. A first token is not new in that sense, nor is one that another request got meanwhile.
func (a *authorizer) renew(
	ctx context.Context, refused *http.Response, scope string, began time.Time,
) (fresh bool, _ error) {
	if !a.host.owns(refused.Request.URL) { // an address of a foreign layer or a storage host
		return false, errNoChallenge
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c, err := a.pick(ctx, refused, scope)
	if err != nil {
		return false, err
	}
	a.challenge = c
	sent := refused.Request.Header.Get("Authorization")
	for _, s := range usable(scope) {
		t := a.tokens[s]
		if t.issued.Before(began) || sent == "Bearer "+t.value { // not one that another worker got since
			delete(a.tokens, s)
		}
	}
	if c.scheme != "bearer" {
		return true, nil
	}
	_, held := a.held(scope)
	_, err = a.token(ctx, scope, c.params["scope"])
	if err != nil && a.basicInstead(ctx, refused, scope, err) {
		return true, nil
	}
	return !held && sent != "", err
}

// basicInstead reports whether it takes up an offer of Basic beside one of tokens, because what is to give
// out tokens is no token server. One that refuses the credentials is one.
func (a *authorizer) basicInstead(ctx context.Context, refused *http.Response, scope string, err error) bool {
	offered := parseChallenges(refused.Header)
	i := slices.IndexFunc(offered, challenge.isBasic)
	if i < 0 || errors.Is(err, ErrDenied) || errors.Is(err, ErrUnavailable) && !errors.As(err, new(*refusal)) {
		return false
	}
	if cred, err := a.credential(ctx, scope); err != nil || cred.Username == "" {
		return false
	}
	a.challenge = offered[i]
	return true
}

// pick takes up what a 401 offers, if there is anything to answer it with.
func (a *authorizer) pick(ctx context.Context, refused *http.Response, scope string) (challenge, error) {
	c := offer(refused)
	switch c.scheme {
	case "bearer":
		return c, nil
	case "":
		return c, errNoChallenge
	}
	cred, err := a.credential(ctx, scope)
	if err != nil {
		return challenge{}, err
	}
	if cred.Username == "" {
		return challenge{}, kind.Errorf(ErrDenied, "%s wants a user name and password: "+
			"give --creds or log in with drayage login", a.host.name)
	}
	return c, nil
}

// offer is the challenge of an answer that can be met, or an empty one. Registries that offer Basic and
// Bearer want Bearer. Unknown schemes are passed over.
func offer(resp *http.Response) challenge {
	offered := parseChallenges(resp.Header)
	for _, met := range []func(challenge) bool{challenge.namesTokenServer, challenge.isBasic} {
		if i := slices.IndexFunc(offered, met); i >= 0 {
			return offered[i]
		}
	}
	return challenge{}
}

func (a *authorizer) took(resp *http.Response) {
	if a.proven.Load() || resp.Request.Header.Get("Authorization") == "" ||
		resp.StatusCode == http.StatusUnauthorized {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.proven.Store(a.challenge.scheme != "") // what was guessed in vain proves nothing
}

// denied is the error for a 401 that came in spite of an authorization. A password that was never taken is
// not sent again: registries lock accounts for less.
func (a *authorizer) denied(resp *http.Response, refused error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	user, _, sent := resp.Request.BasicAuth()
	if a.proven.Load() || a.challenge.scheme != "basic" || !sent {
		return refused
	}
	err := kind.Errorf(ErrDenied, "%s refuses the user name or password", a.host.name)
	a.refused[basicKey(user)] = err
	return err
}

// sent lists the secrets of a request, which the answer may repeat.
func sent(req *http.Request) []string {
	_, value, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	_, password, _ := req.BasicAuth()
	return []string{value, password}
}
