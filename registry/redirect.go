package registry

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const maxRedirects = 10 // more than any registry with its storage and CDN needs

// way is how far a request has come by redirects.
type way struct {
	at   *url.URL
	away bool // it has left the origin where it began: what is meant for that is not sent any more
	hops int
	// other is asked if nobody is there: behind a proxy a server may know another port than its clients do.
	other *way
}

// follow moves w on if resp redirects r, and reports whether it did. Reads follow every redirect. Writes
// follow those that keep the method and the body (https://www.rfc-editor.org/rfc/rfc9110#section-15.4).
// Credentials never go to another origin; another port or scheme of the same host is another origin.
func (h *host) follow(r *request, w *way, resp *http.Response) (bool, error) {
	location := resp.Header.Get("Location")
	if location == "" || !redirects(r.method, resp.StatusCode) {
		return false, nil
	}
	from := w.at
	to, err := told(from, location)
	if err != nil {
		return false, refuse("%s: the redirect leads to no address", redact(from))
	}
	before := *w
	w.at, w.away, w.hops = to, w.away || !sameOrigin(r.url, to), w.hops+1
	w.otherPort(before)
	switch {
	case w.hops > maxRedirects:
		return false, refuse("more than %d redirects, the last to %s", maxRedirects, redact(to))
	case r.secret && w.away:
		return false, refuse("%s sends a login on to %s: refused", redact(from), redact(to))
	case h.foreign:
		if err := checkForeign(to); err != nil {
			return false, err
		}
	}
	return true, checkHop(from, to)
}

// otherPort notes the way that w may mean, if it leads from the way before to another port of the same host.
func (w *way) otherPort(before way) {
	w.other = nil
	if from := before.at; strings.EqualFold(w.at.Hostname(), from.Hostname()) && !sameOrigin(w.at, from) {
		at := *w.at
		at.Scheme, at.Host = from.Scheme, from.Host
		w.other = &way{at: &at, away: before.away, hops: w.hops}
	}
}

func redirects(method string, status int) bool {
	switch status {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		return method == http.MethodGet || method == http.MethodHead
	}
	return false
}

// describing are the headers that describe the content that is wanted or sent. All others are meant for one
// server.
var describing = []string{
	"Accept", "Accept-Encoding", "Content-Range", "Content-Type", "Expect", "Range", "User-Agent",
}

func keepDescribing(header http.Header) {
	maps.DeleteFunc(header, func(name string, _ []string) bool { return !slices.Contains(describing, name) })
}

// checkHop refuses what no honest server sends a client to. Encryption is never dropped.
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
		return refuse("redirect from %s to the link-local address %s: refused, clouds tell their secrets there",
			from.Host, to.Host)
	}
	return nil
}

// resolveLocation reads the address where an upload goes on. Its query, which holds the registry's state, is
// used as it is.
func resolveLocation(resp *http.Response) (*url.URL, error) {
	from, l := resp.Request.URL, resp.Header.Get("Location")
	if l == "" {
		return nil, refuse("%s %s: the answer names no Location to upload to", resp.Request.Method, redact(from))
	}
	u, err := told(from, l)
	if err != nil {
		return nil, refuse("%s: invalid upload Location", redact(from))
	}
	restorePort(u, from)
	if err := checkHop(from, u); err != nil {
		return nil, err
	}
	return u, nil
}

// told is the address that a server names in an answer from an address. It may be relative, or begin with the
// server's own host, and is corrected where a proxy stands in between.
func told(from *url.URL, text string) (*url.URL, error) {
	if host, _, _ := strings.Cut(text, "/"); strings.EqualFold(host, from.Host) {
		text = "//" + text
	}
	u, err := from.Parse(text)
	if err == nil {
		unproxy(u, from)
	}
	return u, err
}

// restorePort gives back the port to an address of the registry's own API: proxies are often set up to pass
// on the host without it.
func restorePort(u, from *url.URL) {
	if u.Scheme == from.Scheme && u.Port() == "" && strings.EqualFold(u.Hostname(), from.Hostname()) {
		u.Host = from.Host
	}
}

// unproxy corrects an address that a server tells because it does not know of the TLS proxy before it.
func unproxy(u, from *url.URL) {
	if from.Scheme == "https" && u.Scheme == "http" && strings.EqualFold(u.Hostname(), from.Hostname()) {
		u.Scheme, u.Host = "https", from.Host
	}
}
