package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// isLinkLocal reports whether u names an address that is not routed. A cloud's metadata service has one.
func isLinkLocal(u *url.URL) bool {
	ip, err := netip.ParseAddr(strings.TrimSuffix(u.Hostname(), "."))
	return err == nil && ip.IsLinkLocalUnicast()
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

// reach is how near to this machine an address may be that a manifest sends us to. Strangers write manifests,
// and this machine may see services that trust whoever can reach them.
type reach int

const (
	reachPublic  reach = iota // only what everybody can reach
	reachPrivate              // private networks too: the registry is in one
	reachLocal                // this machine too: the registry is here
	reachNever                // of an address: nobody may be sent there
)

// never holds what no image is at: link-local addresses, those of clouds' metadata services, and what is no
// single host.
var never = prefixes("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/3", "100.100.100.200/32",
	"168.63.129.16/32", "::/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128")

var (
	// shared is private in all but name (https://www.rfc-editor.org/rfc/rfc6598).
	shared = netip.MustParsePrefix("100.64.0.0/10")
	// nat64 holds IPv4 addresses in its last four bytes (https://www.rfc-editor.org/rfc/rfc6052).
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

func reachOf(ip netip.Addr) reach {
	ip = ip.Unmap().WithZone("")
	if nat64.Contains(ip) {
		raw := ip.As16()
		ip = netip.AddrFrom4([4]byte(raw[12:]))
	}
	switch {
	case slices.ContainsFunc(never, func(p netip.Prefix) bool { return p.Contains(ip) }):
		return reachNever
	case ip.IsLoopback():
		return reachLocal
	case ip.IsPrivate(), shared.Contains(ip):
		return reachPrivate
	}
	return reachPublic
}

// reach is how near the repository's registry is, or the nearest of its mirrors: the user has chosen to talk
// to them.
func (r *Repository) reach(ctx context.Context) reach {
	nearest := r.own.host.reach(ctx)
	for _, from := range r.readers {
		nearest = max(nearest, from.host.reach(ctx))
	}
	return nearest
}

// reach is how near a host is. One with several addresses is as near as the farthest.
func (h *host) reach(ctx context.Context) reach {
	if isLoopback(h.at.Host) {
		return reachLocal
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", h.at.Hostname())
	if err != nil || len(ips) == 0 {
		return reachPublic
	}
	farthest := reachLocal
	for _, ip := range ips {
		farthest = min(farthest, reachOf(ip))
	}
	return farthest
}

type reachKey struct{}

// withReach bounds the connections that a foreign transport makes for requests with the context. It calls
// find only when it meets an address that not everybody can reach.
func withReach(ctx context.Context, find func(context.Context) reach) context.Context {
	return context.WithValue(ctx, reachKey{}, sync.OnceValue(func() reach { return find(ctx) }))
}

// checkReach refuses an address that the context's requests must not go to.
func checkReach(ctx context.Context, ip netip.Addr) error {
	at := reachOf(ip)
	if at == reachPublic {
		return nil
	}
	if at == reachNever {
		return refuse("an address in a manifest leads to %s: refused", ip)
	}
	if find, ok := ctx.Value(reachKey{}).(func() reach); ok && at <= find() {
		return nil
	}
	return refuse("an address in a manifest leads to %s, which is nearer than the registry: refused", ip)
}

// NewForeignTransport returns a transport for Client.Foreign. It connects to no link-local address, to
// private networks only for a registry that is in one, and to this machine only for a registry that is here.
// It looks at addresses after names have been resolved and redirects followed. Where a proxy is configured,
// the proxy resolves names and has to look itself. limit may be nil.
func NewForeignTransport(config *tls.Config, limit *Limit) http.RoundTripper {
	check := func(ctx context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return refuse("%q is no address", address)
		}
		return checkReach(ctx, at.Addr())
	}
	dialer := &net.Dialer{Timeout: 15 * time.Second, ControlContext: check}
	t := &foreignTransport{direct: NewTransport(config), proxied: NewTransport(config)}
	t.direct.Proxy, t.direct.DialContext = nil, limit.Dial(dialer.DialContext)
	t.proxied.DialContext = limit.Dial(t.proxied.DialContext)
	// A connection that may be used for one registry may not be for another.
	t.direct.DisableKeepAlives, t.proxied.DisableKeepAlives = true, true
	return t
}

type foreignTransport struct{ direct, proxied *http.Transport }

func (t *foreignTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	proxy, err := t.proxied.Proxy(req)
	if err != nil {
		return nil, err
	}
	if proxy == nil {
		return t.direct.RoundTrip(req)
	}
	if ip, err := netip.ParseAddr(req.URL.Hostname()); err == nil {
		if err := checkReach(req.Context(), ip); err != nil {
			return nil, err
		}
	}
	return t.proxied.RoundTrip(req)
}
