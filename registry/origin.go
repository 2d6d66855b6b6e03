package registry

import (
	"cmp"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// maxRedirects is more than any registry with its storage and CDN needs.
const maxRedirects = 10

// checkRedirect is the policy for every redirect. Only reads follow one. Encryption is never dropped.
// Credentials never go to another origin; another port or scheme of the same host, where net/http itself
// would keep them, is another origin.
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
		other := func(name string, _ []string) bool { return !slices.Contains(describing, name) }
		maps.DeleteFunc(req.Header, other)
	}
	return nil
}

// describing are the headers that describe the content that is wanted. All others are meant for one server.
var describing = []string{"Accept", "Accept-Encoding", "Range", "User-Agent"}

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
		return refuse("redirect from %s to the link-local address %s: refused, clouds tell their secrets there",
			from.Host, to.Host)
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

// isLinkLocal reports whether u names an address that is not routed. A cloud's metadata service has one.
func isLinkLocal(u *url.URL) bool {
	ip, err := netip.ParseAddr(strings.TrimSuffix(u.Hostname(), "."))
	return err == nil && ip.IsLinkLocalUnicast()
}

func apiHost(registry string) string {
	if registry == "docker.io" || registry == "index.docker.io" {
		return "registry-1.docker.io"
	}
	return registry
}

// isLoopback reports whether a host, with or without a port, can only be this machine.
func isLoopback(hostport string) bool {
	name := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if ip := net.ParseIP(name); ip != nil {
		return ip.IsLoopback() || ip.IsUnspecified() // connecting to 0.0.0.0 ends here too
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// sameOrigin reports whether two URLs have the same scheme, host and port. Only then may one see what was
// meant for the other.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if u.Scheme == "https" {
		return cmp.Or(u.Port(), "443")
	}
	return cmp.Or(u.Port(), "80")
}
