package registry

import (
	"context"
	"fmt"
	"net/http"
)

// sendKnown is send. Some registries tell strangers that there is nothing, or refuse them without a word on
// how to log in. If there are credentials, the root of the API is then asked for the way, once, and r goes
// out again.
func (h *host) sendKnown(ctx context.Context, r *request) (*http.Response, error) {
	resp, err := h.send(ctx, r)
	if err != nil || !h.hides(r, resp) {
		return resp, err
	}
	known, err := h.auth.introduce(ctx, resp, r.scope)
	switch {
	case err != nil && resp.StatusCode == http.StatusNotFound: // which may be the truth
		h.client.notify(fmt.Sprintf("%s: going on without a login: %v", h.name, err))
		return resp, nil
	case err != nil:
		resp.Body.Close()
		return nil, &ownError{err}
	case !known:
		return resp, nil
	}
	resp.Body.Close()
	if resp, err = h.send(ctx, r); err == nil {
		h.auth.judgeGuess(resp)
	}
	return resp, err
}

// hides reports whether an answer to a stranger may be another one to somebody who is known, without saying
// so.
func (h *host) hides(r *request, resp *http.Response) bool {
	if r.anonymous || !r.body.replayable() || !h.owns(resp.Request.URL) ||
		resp.Request.Header.Get("Authorization") != "" {
		return false
	}
	switch resp.StatusCode {
	case http.StatusForbidden, http.StatusNotFound:
		return true
	case http.StatusUnauthorized:
		return offer(resp).scheme == ""
	}
	return false
}

func turnsAway(resp *http.Response) bool {
	return resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden
}

// introduce finds out how to log in to a registry that has not asked for it, and reports whether a request is
// worth sending again. What it finds counts for the whole registry, unless the login fails.
func (a *authorizer) introduce(ctx context.Context, resp *http.Response, scope string) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.challenge.scheme != "" { // another request has been asked meanwhile
		return true, nil
	}
	cred, err := a.host.credential(ctx, repositoryOf(scope))
	if err != nil || cred == (Credential{}) {
		return false, err
	}
	c := a.hidden(ctx, resp)
	if c.scheme == "" {
		c = a.guess(resp, cred)
	}
	switch c.scheme {
	case "":
		return false, nil
	case "basic":
		if cred, err = a.credential(ctx, scope); err != nil || cred.Username == "" || cred.Password == "" {
			return false, err
		}
	}
	a.challenge = c
	if c.scheme == "bearer" {
		if _, err = a.token(ctx, scope, ""); err != nil {
			a.challenge = challenge{}
		}
	}
	return err == nil, err
}

// hidden is the challenge that resp should have had: its own one, or that of the root. The caller holds a.mu.
func (a *authorizer) hidden(ctx context.Context, resp *http.Response) challenge {
	if c := offer(resp); c.scheme != "" {
		return c
	}
	if a.root == nil {
		a.root = a.host.askRoot(ctx)
	}
	if a.root == nil {
		return challenge{}
	}
	return offer(a.root)
}

// guess is a way to log in that nothing has asked for, or an empty challenge. It is tried once. A password is
// sent only where nothing speaks of another way. The caller holds a.mu.
func (a *authorizer) guess(resp *http.Response, cred Credential) (c challenge) {
	silent := a.root != nil && resp.Header.Get("WWW-Authenticate")+a.root.Header.Get("WWW-Authenticate") == ""
	switch {
	case a.guessed:
	case cred.RegistryToken != "" && turnsAway(resp):
		c.scheme = "bearer"
	case cred.Password != "" && silent && (turnsAway(resp) || turnsAway(a.root)):
		c.scheme = "basic"
	}
	a.guessing = c.scheme != ""
	a.guessed = a.guessed || a.guessing
	return c
}

// askRoot asks the root of the API as a stranger. It returns nil if there is no answer.
func (h *host) askRoot(ctx context.Context) *http.Response {
	u, err := h.url(ctx, "")
	if err != nil {
		return nil
	}
	resp, err := h.send(ctx, &request{method: http.MethodGet, url: u, anonymous: true})
	if err != nil {
		return nil
	}
	if e := newError(resp); e.passing() || !h.owns(resp.Request.URL) {
		return nil
	}
	return resp
}

// judgeGuess gives up a guess that has not helped: what was not found was not hidden.
func (a *authorizer) judgeGuess(resp *http.Response) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.guessing && (turnsAway(resp) || resp.StatusCode == http.StatusNotFound) {
		a.challenge = challenge{}
	}
	a.guessing = false
}
