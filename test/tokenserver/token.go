package tokenserver

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
)

// Access is one resource and what may be done with it, as a token carries it.
type Access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

type response struct {
	Token       string `json:"token"`
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in,omitempty"`
	IssuedAt    string `json:"issued_at"`
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	user, err := s.authenticate(r)
	if err != nil {
		s.refused.Add(1)
		w.Header().Set("WWW-Authenticate", `Basic realm="drayage test token server"`)
		refuse(w, http.StatusUnauthorized, err)
		return
	}
	query := r.URL.Query()
	if got := query.Get("service"); got != service {
		refuse(w, http.StatusBadRequest, fmt.Errorf("unknown service %q", got))
		return
	}
	access, err := parseScopes(query["scope"])
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	if user == "" {
		access = pullOnly(access)
	}
	now := time.Now()
	token, err := s.sign(user, access, now)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	s.issued.Add(1)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(response{
		Token:       token,
		AccessToken: token,
		ExpiresIn:   int(s.opts.ExpiresIn / time.Second),
		IssuedAt:    now.UTC().Format(time.RFC3339),
	})
}

// authenticate returns the user name, which is empty for an anonymous request that is allowed.
func (s *Server) authenticate(r *http.Request) (string, error) {
	user, password, ok := r.BasicAuth()
	if !ok {
		if s.opts.AnonymousPull {
			return "", nil
		}
		return "", fmt.Errorf("credentials are required")
	}
	userOK := subtle.ConstantTimeCompare([]byte(user), []byte(s.opts.User))
	passwordOK := subtle.ConstantTimeCompare([]byte(password), []byte(s.opts.Password))
	if s.opts.User == "" || userOK&passwordOK != 1 {
		return "", errCredentials
	}
	return user, nil
}

// Token signs a token for the account without a request, and without counting it.
func (s *Server) Token(access ...Access) (string, error) {
	return s.sign(s.opts.User, access, time.Now())
}

func (s *Server) sign(user string, access []Access, now time.Time) (string, error) {
	lifetime := s.opts.Lifetime
	if lifetime == 0 {
		lifetime = defaultLifetime
	}
	end := now.Add(lifetime - registryLeeway)
	if rounded := end.Truncate(time.Second); rounded.Before(end) && lifetime > 0 {
		end = rounded.Add(time.Second)
	}
	claims := jwt.Claims{
		ID:        rand.Text(),
		Issuer:    issuer,
		Subject:   user,
		Audience:  jwt.Audience{service},
		IssuedAt:  jwt.NewNumericDate(now),
		NotBefore: jwt.NewNumericDate(now.Add(-registryLeeway)),
		Expiry:    jwt.NewNumericDate(end),
	}
	private := struct {
		Access []Access `json:"access"`
	}{access}
	return jwt.Signed(s.signer).Claims(claims).Claims(private).Serialize()
}

// parseScopes reads "type:name:action,action" where the name may itself hold colons. One parameter may carry
// several scopes divided by spaces.
func parseScopes(params []string) ([]Access, error) {
	access := []Access{}
	for _, scope := range strings.Fields(strings.Join(params, " ")) {
		kind, rest, ok := strings.Cut(scope, ":")
		colon := strings.LastIndexByte(rest, ':')
		if !ok || colon < 0 {
			return nil, fmt.Errorf("malformed scope %q", scope)
		}
		actions := strings.Split(rest[colon+1:], ",")
		access = append(access, Access{Type: kind, Name: rest[:colon], Actions: actions})
	}
	return access, nil
}

func pullOnly(access []Access) []Access {
	kept := []Access{}
	for _, a := range access {
		if slices.Contains(a.Actions, "pull") {
			kept = append(kept, Access{Type: a.Type, Name: a.Name, Actions: []string{"pull"}})
		}
	}
	return kept
}

// refuse answers in the registry error form, which is what clients of token servers know how to read.
func refuse(w http.ResponseWriter, status int, reason error) {
	code := "UNAUTHORIZED"
	if status != http.StatusUnauthorized {
		code = "UNKNOWN"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{
		"errors": []map[string]string{{"code": code, "message": reason.Error()}},
	})
}
