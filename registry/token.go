package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"drayage/internal/kind"
	"drayage/internal/plaintext"
	"drayage/internal/secrets"
)

const (
	maxTokenBody      = 128 << 10       // tokens with many groups in them reach tens of kilobytes
	maxTokenLife      = 1e6             // seconds; longer ones are not believed
	minTokenLife      = time.Minute     // what the specification makes of shorter or missing lifetimes
	registryTokenLife = 5 * time.Minute // before a token that the user was given is looked up again
	tokenMargin       = 5 * time.Second // before its end a token is not used any more
	// maxMisfits is how often a password that was never taken may be refused, for one repository or another,
	// before it is not sent any more. Some token servers say 401 where only the repository is out of reach.
	maxMisfits = 3
)

// anySuccess is what a token comes with: some servers make one, others accept that we have one.
var anySuccess = []int{200, 201, 202, 203, 204, 205, 206}

func (a *authorizer) fetchToken(ctx context.Context, scope string, scopes []string) (token, error) {
	cred, err := a.host.credential(ctx, repositoryOf(scope))
	if err != nil {
		return token{}, err
	}
	if cred.RegistryToken != "" {
		return newToken(cred.RegistryToken, registryTokenLife), nil
	}
	if a.misfits >= maxMisfits && cred.Username != "" && !a.proven.Load() {
		return token{}, kind.Errorf(ErrDenied, "%s has refused the user name or password %d times: "+
			"it is not sent again, so that the account is not locked", a.host.name, a.misfits)
	}
	realm, err := told(a.host.base, a.challenge.params["realm"])
	if err != nil {
		return token{}, fmt.Errorf("%s names an invalid token server %q", a.host.name, a.challenge.params["realm"])
	}
	if err := checkHop(a.host.base, realm); err != nil {
		return token{}, fmt.Errorf("token server of %s: %w", a.host.name, err)
	}
	return a.tokenFrom(ctx, realm, cred, scopes)
}

// allScopes are the scope that is needed and those that the challenge to the same request demands. The needed
// one comes first: some servers look no further. A token server may refuse all scopes for one.
func allScopes(needed, demanded string) []string {
	all := []string{needed}
	for _, s := range strings.Fields(demanded) {
		if s != needed && !strings.HasPrefix(needed, s+",") {
			all = append(all, s)
		}
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

func (a *authorizer) tokenFrom(
	ctx context.Context, realm *url.URL, cred Credential, scopes []string,
) (token, error) {
	if cred.IdentityToken != "" {
		t, err := a.askToken(ctx, a.exchange(realm, cred, scopes), cred.IdentityToken)
		if !isRefused(err) && !isStatus(err, http.StatusNotFound) || isStatus(err, http.StatusForbidden) {
			return t, err
		}
		if cred.Password == "" {
			a.host.client.notify(fmt.Sprintf("%s does not take the stored identity token (%v): "+
				"going on without credentials", a.host.name, err))
		}
	}
	t, err := a.askToken(ctx, a.loginWith(realm, cred, scopes), cred.Password)
	if isStatus(err, http.StatusUnauthorized) && cred.Username != "" {
		a.misfits++
	}
	return t, err
}

// loginWith is the request for a token with a password, or anonymously
// (https://distribution.github.io/distribution/spec/auth/token/).
func (a *authorizer) loginWith(realm *url.URL, cred Credential, scopes []string) *request {
	q := realm.Query()
	if s := a.challenge.params["service"]; s != "" {
		q.Set("service", s)
	}
	for _, s := range scopes {
		q.Add("scope", s)
	}
	header := http.Header{}
	if cred.Username != "" && cred.Password != "" {
		q.Set("account", cred.Username)
		header.Set("Authorization", cred.basic())
	}
	u := *realm
	u.RawQuery = q.Encode()
	return &request{method: http.MethodGet, url: &u, header: header}
}

// exchange is the request for a token with an identity token
// (https://distribution.github.io/distribution/spec/auth/oauth/).
func (a *authorizer) exchange(realm *url.URL, cred Credential, scopes []string) *request {
	form := url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {cred.IdentityToken},
		"service":       {a.challenge.params["service"]},
		"client_id":     {"drayage"},
		"scope":         {strings.Join(scopes, " ")},
	}.Encode()
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	return &request{
		method: http.MethodPost, url: realm, header: header, body: bytesBody([]byte(form)), secret: true,
	}
}

// askToken sends r to the token server. That is a host of its own: requests to it are repeated like any
// others, and never carry the registry's authorization. What it says is kept free of the secret in r.
func (a *authorizer) askToken(ctx context.Context, r *request, secret string) (token, error) {
	server := a.host.client.newHost(r.url.Host, a.host.transport)
	r.told = a.host.base
	r.accept = anySuccess
	r.renewed = true // a 401 here is the answer
	_, raw, err := server.read(ctx, r, maxTokenBody)
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Message = secrets.Cover(e.Message, secret)
	}
	if isStatus(err, http.StatusUnauthorized, http.StatusForbidden, http.StatusBadRequest) {
		return token{}, fmt.Errorf("%s does not let us in: %w", a.host.name, err)
	}
	if err != nil {
		return token{}, err
	}
	return parseToken(r.url.Host, raw)
}

func parseToken(server string, raw []byte) (token, error) {
	var answer struct {
		Token       word `json:"token"`
		AccessToken word `json:"access_token"`
		ExpiresIn   word `json:"expires_in"`
	}
	if err := json.Unmarshal(plaintext.UTF8(raw), &answer); err != nil {
		return token{}, refusePage("token server %s: the answer is not a token but %s", server, kindOf(raw, err))
	}
	value := string(cmp.Or(answer.Token, answer.AccessToken))
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return token{}, refusePage("token server %s: the answer holds no token", server)
	}
	seconds, err := strconv.ParseFloat(string(answer.ExpiresIn), 64)
	if err != nil || math.IsNaN(seconds) {
		seconds = 0 // some servers write all kinds of things there
	}
	life := max(time.Duration(min(seconds, maxTokenLife)*float64(time.Second)), minTokenLife)
	return newToken(value, life), nil
}

// word is a string or number in JSON, without the white space around it. Everything else counts as absent.
type word string

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (w *word) UnmarshalJSON(raw []byte) error {
	var s string
	var n json.Number
	if json.Unmarshal(raw, &s) == nil {
		*w = word(strings.TrimSpace(s))
	} else if json.Unmarshal(raw, &n) == nil {
		*w = word(n)
	}
	return nil
}

// kindOf says what an answer is that is no JSON object, or what is wrong with its syntax.
func kindOf(raw []byte, err error) string {
	var other *json.UnmarshalTypeError
	switch {
	case errors.As(err, &other) && other.Field == "":
		return "a JSON " + other.Value
	case strings.HasPrefix(strings.TrimSpace(string(raw)), "<"):
		return "a web page: is this address a token server, or does a login page stand in front of it?"
	}
	return fmt.Sprintf("no JSON: %v", err)
}

// newToken is a token that has just come. Our clock counts: issued_at may be anything.
func newToken(value string, life time.Duration) token {
	now := time.Now()
	return token{value: value, issued: now, expires: now.Add(life - tokenMargin)}
}
