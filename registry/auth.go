package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// errNoChallenge says that a 401 did not tell how to authenticate.
var errNoChallenge = errors.New("no usable challenge")

// authorizer knows how one host wants to be authenticated with. The first request goes out without
// authorization; what its 401 says is remembered for all that follow.
type authorizer struct {
	host   *host
	proven atomic.Bool // the registry has let a request with authorization through

	mu        sync.Mutex
	challenge challenge        // scheme "" until the host has asked, else basic or bearer
	tokens    map[string]token // by scope
	misfits   int              // how often the token server has refused our password
	refused   map[string]error // what was said to our credentials, by scopes; by basicKey for Basic
}

type token struct {
	value   string
	issued  time.Time
	expires time.Time
}

// scope is what a token must allow
// (https://distribution.github.io/distribution/spec/auth/scope/).
func scope(repository, actions string) string { return "repository:" + repository + ":" + actions }

// authorize puts the known authorization on req. Nothing is ever put on a request to another origin than
// the registry's own: that is where redirected uploads and foreign addresses end.
func (a *authorizer) authorize(ctx context.Context, req *http.Request, scope string) error {
	if a.host.base == nil || !sameOrigin(a.host.base, req.URL) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.challenge.scheme {
	case "basic":
		cred, err := a.host.credential(ctx, repositoryOf(scope))
		if err != nil {
			return err
		}
		if err := a.refused[basicKey(cred.Username)]; err != nil {
			return err
		}
		req.SetBasicAuth(cred.Username, cred.Password)
	case "bearer":
		t, err := a.token(ctx, scope, "")
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+t.value)
	}
	return nil
}

// token returns the cached token for scope, or asks for one that also allows what a challenge has demanded. a.mu is
// held, so that one worker asks and the others wait for the same answer.
func (a *authorizer) token(ctx context.Context, scope, demanded string) (token, error) {
	if t, ok := a.held(scope); ok {
		return t, nil
	}
	scopes := allScopes(scope, demanded)
	asked := strings.Join(scopes, " ")
	if err := a.refused[asked]; err != nil {
		return token{}, err // asking again with the same credentials gets accounts locked
	}
	t, err := a.fetchToken(ctx, scopes)
	if err != nil {
		if errors.Is(err, ErrDenied) {
			a.refuse(asked, err)
		}
		return token{}, err
	}
	if a.tokens == nil {
		a.tokens = map[string]token{}
	}
	a.tokens[scope] = t
	return t, nil
}

// repositoryOf is the repository that a scope is for, or empty.
func repositoryOf(scope string) string {
	rest, _ := strings.CutPrefix(scope, "repository:")
	if i := strings.LastIndex(rest, ":"); i >= 0 {
		return rest[:i]
	}
	return ""
}

// basicKey is where refused holds what was said to a user's password. No scope looks like it.
func basicKey(user string) string { return "user " + user }

// usable are the scopes whose tokens allow what scope asks for.
func usable(scope string) []string {
	if strings.HasSuffix(scope, ":pull") {
		return []string{scope, scope + ",push"}
	}
	return []string{scope}
}

func (a *authorizer) refuse(scopes string, err error) {
	if a.refused == nil {
		a.refused = map[string]error{}
	}
	a.refused[scopes] = err
}

// renew reads the challenge of a 401 to a request that was begun at the given time, and forgets the token that was sent
// and those from before. It reports whether the next request goes out with something new in place of what was refused, or with a first token, or one
// that another request has got meanwhile: tokens may be revoked before they are used.
func (a *authorizer) renew(ctx context.Context, refused *http.Response, scope string, began time.Time) (fresh bool, _ error) {
	if a.host.base == nil || !sameOrigin(a.host.base, refused.Request.URL) {
		return false, errNoChallenge // a foreign layer's address, or a storage host behind a redirect: not the registry's business
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c, err := a.pick(ctx, parseChallenges(refused.Header), scope)
	if err != nil {
		return false, err
	}
	a.challenge = c
	sent := refused.Request.Header.Get("Authorization")
	for _, s := range usable(scope) {
		t := a.tokens[s]
		if t.issued.Before(began) || sent == "Bearer "+t.value { // not one that another worker has got since
			delete(a.tokens, s)
		}
	}
	if c.scheme != "bearer" {
		return true, nil
	}
	_, held := a.held(scope)
	_, err = a.token(ctx, scope, c.params["scope"])
	return !held && sent != "", err
}

// held returns a token for scope that is there and has not ended.
func (a *authorizer) held(scope string) (token, bool) {
	for _, s := range usable(scope) {
		if t, ok := a.tokens[s]; ok && time.Now().Before(t.expires) {
			return t, true
		}
	}
	return token{}, false
}

// took notes that a request with authorization was not refused for it.
func (a *authorizer) took(resp *http.Response) {
	if resp.Request.Header.Get("Authorization") != "" && resp.StatusCode != http.StatusUnauthorized {
		a.proven.Store(true)
	}
}

// denied is the error for a 401 that came in spite of an authorization. A password that has never been taken is not sent
// again: registries lock accounts for less. One that has been is good, and what was asked for is out of its reach.
func (a *authorizer) denied(resp *http.Response) error {
	refused := newError(resp)
	a.mu.Lock()
	defer a.mu.Unlock()
	user, _, sent := resp.Request.BasicAuth()
	if a.proven.Load() || a.challenge.scheme != "basic" || !sent {
		return refused
	}
	err := fmt.Errorf("%s refuses the user name or password: %w", a.host.name, ErrDenied)
	a.refuse(basicKey(user), err)
	return err
}

// pick chooses between the offered schemes: Bearer where it is offered, because registries
// that offer both want it; unknown schemes are passed over.
func (a *authorizer) pick(ctx context.Context, offered []challenge, scope string) (challenge, error) {
	var basic *challenge
	for _, c := range offered {
		if c.scheme == "bearer" && c.params["realm"] != "" {
			return c, nil
		}
		if c.scheme == "basic" && basic == nil {
			basic = &c
		}
	}
	if basic == nil {
		return challenge{}, errNoChallenge
	}
	cred, err := a.host.credential(ctx, repositoryOf(scope))
	if err != nil {
		return challenge{}, err
	}
	if err := a.refused[basicKey(cred.Username)]; err != nil {
		return challenge{}, err
	}
	if cred.Username == "" {
		return challenge{}, fmt.Errorf("%s wants a user name and password: %w; give --creds or log in with drayage login", a.host.name, ErrDenied)
	}
	return *basic, nil
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
