package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Ping logs in to a registry with the credential that Client.Credentials has for it, and returns nil if the
// registry lets it in. Where anonymous users are let in too, Ping gives the password unasked, to find out
// whether it is wrong. An error matches ErrDenied if the registry or its token server refuses the credential.
func (c *Client) Ping(ctx context.Context, registry string) error {
	p := c.Repository(Reference{Registry: registry}).own
	if p.noRead != nil {
		return p.noRead
	}
	return p.host.login(ctx)
}

func (h *host) login(ctx context.Context) error {
	began := time.Now()
	resp, err := h.ping(ctx, nil, http.StatusOK)
	if err != nil || h.auth.proven.Load() {
		return err
	}
	cred, err := h.credential(ctx, "")
	if err != nil || cred.Password == "" {
		return err
	}
	if !wantsToken(resp) {
		password := http.Header{"Authorization": {cred.basic()}}
		resp, err = h.ping(ctx, password, http.StatusOK, http.StatusUnauthorized)
		switch {
		case err != nil:
			return err
		case resp.StatusCode == http.StatusOK:
			h.client.notify(h.name + " lets in users without a password too, so it may not have looked at yours")
			return nil
		case !wantsToken(resp):
			return fmt.Errorf("%s refuses the user name or password: %w", h.name, ErrDenied)
		}
	}
	if _, err := h.auth.renew(ctx, resp, "", began); err != nil {
		return err
	}
	_, err = h.ping(ctx, nil, http.StatusOK)
	return err
}

// ping asks for the root of the API and returns the answer without its body. A web page is no answer.
func (h *host) ping(ctx context.Context, header http.Header, accept ...int) (*http.Response, error) {
	u, err := h.url(ctx, "")
	if err != nil {
		return nil, err
	}
	resp, err := h.do(ctx, &request{method: http.MethodGet, url: u, header: header, accept: accept})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody)) // so that the connection can be used again
	switch {
	case !sameOrigin(h.base, resp.Request.URL):
		return nil, refuse("%s is no registry: it sends its users to %s", redact(u), redact(resp.Request.URL))
	case strings.Contains(resp.Header.Get("Content-Type"), "html"):
		return nil, refuse("%s is no registry: the answer is a web page; "+
			"does a proxy or login page stand in front of it?", redact(u))
	}
	return resp, nil
}

// wantsToken reports whether an answer names a token server.
func wantsToken(resp *http.Response) bool {
	return slices.ContainsFunc(parseChallenges(resp.Header), challenge.namesTokenServer)
}
