package fakeregistry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// guard lets in everybody if both fields are empty.
type guard struct {
	basic  string // user:password
	tokens *Tokens
	realm  string
}

// RequireBasic refuses requests without this user name and password.
func (r *Registry) RequireBasic(user, password string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.guard = guard{basic: user + ":" + password}
}

// RequireToken refuses requests without a token of t, whose address is realm.
func (r *Registry) RequireToken(t *Tokens, realm string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.guard = guard{tokens: t, realm: realm}
}

// admit answers with 401 and a challenge if authorization is missing, wrong or not enough.
func (r *Registry) admit(w http.ResponseWriter, req *http.Request, name string) bool {
	r.mu.Lock()
	g := r.guard
	r.mu.Unlock()
	if g.basic != "" {
		if user, password, _ := req.BasicAuth(); user+":"+password == g.basic {
			return true
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="fake, \"quoted\""`)
	} else if g.tokens != nil {
		needed := scopes(req, name)
		value, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
		if g.tokens.allows(value, needed) {
			return true
		}
		scope := strings.Join(needed, " ")
		challenge := fmt.Sprintf(`Bearer realm="%s",service="fake",scope="%s"`, g.realm, scope)
		w.Header().Set("WWW-Authenticate", challenge)
	} else {
		return true
	}
	fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	return false
}

// scopes returns what a request needs: a mount needs both its repositories.
func scopes(req *http.Request, name string) []string {
	if name == "" {
		return nil
	}
	actions := "pull"
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		actions = "pull,push"
	}
	all := []string{"repository:" + name + ":" + actions}
	if from := req.URL.Query().Get("from"); from != "" {
		all = append(all, "repository:"+from+":pull")
	}
	return all
}

// Tokens is a token server (https://distribution.github.io/distribution/spec/auth/token/). The zero value
// gives everybody tokens of a minute for everything. Its fields must not change once it serves.
type Tokens struct {
	// Ledger holds the requests for tokens.
	Ledger

	Users    map[string]string // user name -> password; nil: everybody is let in
	Identity string            // the refresh token that POST takes; empty: POST is answered with 404
	Life     time.Duration     // of a token; 0 means a minute, and that expires_in is left out
	Forbid   []string          // repositories: who asks for one of them, even among others, is refused

	mu     sync.Mutex
	issued map[string]grant
}

type grant struct {
	scopes []string
	ends   time.Time
}

// ServeHTTP implements http.Handler.
func (t *Tokens) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	t.Record(http.HandlerFunc(t.serve)).ServeHTTP(w, req)
}

func (t *Tokens) serve(w http.ResponseWriter, req *http.Request) {
	if err := req.ParseForm(); err != nil {
		fail(w, http.StatusBadRequest, "BAD", err.Error())
		return
	}
	if req.Method == http.MethodPost && t.Identity == "" {
		fail(w, http.StatusNotFound, "UNSUPPORTED", "no POST here")
		return
	}
	wanted := strings.Fields(strings.Join(req.Form["scope"], " "))
	user, password, given := req.BasicAuth()
	known := t.Users == nil || given && t.Users[user] != "" && t.Users[user] == password
	if req.Method == http.MethodPost {
		known = req.Form.Get("refresh_token") == t.Identity && req.Form.Get("grant_type") == "refresh_token"
	}
	if !known || slices.ContainsFunc(wanted, t.forbidden) {
		fail(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
		return
	}
	answer := map[string]any{"token": t.issue(wanted)}
	if t.Life != 0 {
		answer["expires_in"] = t.Life.Seconds()
	}
	json.NewEncoder(w).Encode(answer)
}

func (t *Tokens) forbidden(scope string) bool {
	return slices.ContainsFunc(t.Forbid, func(name string) bool {
		return strings.HasPrefix(scope, "repository:"+name+":")
	})
}

func (t *Tokens) issue(scopes []string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.issued == nil {
		t.issued = map[string]grant{}
	}
	life := t.Life
	if life == 0 {
		life = time.Minute
	}
	value := fmt.Sprintf("token-%d", len(t.issued)+1)
	t.issued[value] = grant{scopes, time.Now().Add(life)}
	return value
}

// Revoke makes all tokens given out so far worthless.
func (t *Tokens) Revoke() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for value := range t.issued {
		t.issued[value] = grant{}
	}
}

func (t *Tokens) allows(value string, needed []string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, ok := t.issued[value]
	return ok && time.Now().Before(g.ends) && !slices.ContainsFunc(needed, func(s string) bool {
		return !slices.ContainsFunc(g.scopes, func(have string) bool {
			return have == s || strings.HasPrefix(have, s+",")
		})
	})
}
