package registry

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxRedirects is more than any registry with its storage and CDN needs.
const maxRedirects = 10

// checkRedirect is the policy for every redirect. Only reads follow one; credentials
// never go to another origin, which includes another port or scheme of the same host, where net/http
// itself would keep them; encryption is never dropped.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet && first.Method != http.MethodHead {
		return http.ErrUseLastResponse
	}
	if len(via) > maxRedirects {
		return refuse("more than %d redirects, the last to %s", maxRedirects, redact(req.URL))
	}
	if err := checkHop(via[len(via)-1].URL, req.URL); err != nil {
		return err
	}
	if !sameOrigin(first.URL, req.URL) {
		forgetful(req.Header)
	}
	return nil
}

// forgetful removes from a redirected request what was meant for the first server only: everything but what
// describes the content that is wanted.
func forgetful(h http.Header) {
	keep := []string{"Accept", "Accept-Encoding", "Range", "User-Agent"}
	for name := range h {
		if !slices.Contains(keep, name) {
			h.Del(name)
		}
	}
}

// checkHop refuses what no honest server sends a client to.
func checkHop(from, to *url.URL) error {
	if to.Scheme != "https" && to.Scheme != "http" {
		return refuse("redirect to a %q address", to.Scheme)
	}
	if from.Scheme == "https" && to.Scheme == "http" {
		return refuse("redirect from https to %s: refused, encryption would be lost", redact(to))
	}
	if isLoopback(to.Host) && !isLoopback(from.Host) {
		return refuse("redirect from %s to this machine: refused", from.Host)
	}
	if isLinkLocal(to) && !isLinkLocal(from) {
		return refuse("redirect from %s to the link-local address %s: refused, clouds tell their secrets there", from.Host, to.Host)
	}
	return nil
}

// resolveLocation reads the address where an upload goes on. It may be relative. Its query, which holds the
// registry's state, is used as it is.
func resolveLocation(resp *http.Response) (*url.URL, error) {
	l := resp.Header.Get("Location")
	if l == "" {
		return nil, refuse("%s %s: the answer names no Location to upload to",
			resp.Request.Method, redact(resp.Request.URL))
	}
	from := resp.Request.URL
	u, err := from.Parse(l)
	if err != nil {
		return nil, refuse("%s: invalid upload Location", redact(from))
	}
	unproxy(u, from)
	if err := checkHop(from, u); err != nil {
		return nil, err
	}
	return u, nil
}

// unproxy corrects an address that a registry tells because it does not know of the TLS proxy before it.
func unproxy(u, from *url.URL) {
	if from.Scheme == "https" && u.Scheme == "http" && strings.EqualFold(u.Hostname(), from.Hostname()) {
		u.Scheme, u.Host = "https", from.Host
	}
}

// isLinkLocal reports whether u names an address that reaches no further than the next cable, as that of a cloud's metadata service is.
func isLinkLocal(u *url.URL) bool {
	name, _, _ := strings.Cut(u.Hostname(), "%") // a zone
	ip := net.ParseIP(strings.TrimSuffix(name, "."))
	return ip != nil && ip.IsLinkLocalUnicast()
}

// refusal is an answer that drayage does not act on; asking again would not change it.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }
