// Package engineconfig makes a [registry.Client] behave as docker, podman and containerd do on the same
// machine. It reads the files in which these engines keep how a registry is reached and what their users
// log in with.
//
// [NewClient] returns a client with [Hosts] and [Logins]. Callers who want one of them only use that alone.
// Nothing is read before a registry is talked to, and nothing is ever written.
package engineconfig

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"

	"drayage/internal/dockerauth"
	"drayage/internal/hostconfig"
	"drayage/registry"
)

// NewClient returns a client that reaches registries as hosts says and logs in with what logins finds. Either
// may be nil, which means its zero value. The caller may set other fields of the client before its first use.
func NewClient(hosts *Hosts, logins *Logins) *registry.Client {
	hosts, logins = cmp.Or(hosts, &Hosts{}), cmp.Or(logins, &Logins{})
	return &registry.Client{
		Transport:   hosts.limited(registry.NewTransport(hosts.TLS)),
		Endpoints:   hosts.Endpoints,
		Credentials: logins.Credential,
		PlainHTTP:   hosts.PlainHTTP,
	}
}

// ErrBlocked is wrapped by the error of Hosts.Endpoints for a repository that registries.conf forbids.
var ErrBlocked = hostconfig.ErrBlocked

// Hosts finds out how registries are reached: at which addresses, with which certificates, headers and
// proxies. It reads containerd's hosts.toml, podman's registries.conf and the certs.d directories of
// docker, podman and containerd, those of the user before those of the system. The zero value adds nothing
// to these files. Hosts may be used concurrently once it is set up.
type Hosts struct {
	// TLS is what the files add to. nil means Go's defaults.
	TLS *tls.Config
	// Limit bounds all connections together. nil means no limit.
	Limit *registry.Limit
	// PlainHTTP means http for addresses without a scheme, except for mirrors that files name.
	PlainHTTP bool

	base    *registry.Endpoint
	mirrors map[string][]registry.Endpoint // by registry
}

// SetBase makes one address the only one for all registries, besides the mirrors of AddMirror. The files are
// then not asked for others. The address is the URL of a registry's API with its path prefix, or host[:port].
func (h *Hosts) SetBase(address string) error {
	base, err := h.at(address)
	if err != nil {
		return err
	}
	base.Push = true
	h.base = &base
	return nil
}

// AddMirror adds the address of a mirror. Images of the registry are then read from there first. Of several
// mirrors the one that was added first is asked first, and all before those in files.
func (h *Hosts) AddMirror(registryName, address string) error {
	mirror, err := h.at(address)
	if err != nil {
		return err
	}
	mirror.Mirror = true
	if h.mirrors == nil {
		h.mirrors = map[string][]registry.Endpoint{}
	}
	h.mirrors[registryName] = append(h.mirrors[registryName], mirror)
	return nil
}

// at returns the endpoint for reading at an address that a caller gives. A scheme in the address counts.
func (h *Hosts) at(address string) (registry.Endpoint, error) {
	found, err := hostconfig.DefaultFiles().At(address)
	if err != nil {
		return registry.Endpoint{}, err
	}
	e := h.endpoint(found)
	e.URL.Scheme = found.URL.Scheme
	return e, nil
}

// Endpoints lists the ways to reach the repository of an image, in the order in which they are to be tried.
// An error names the file that is wrong, or wraps ErrBlocked. The signature is that of
// registry.Client.Endpoints.
func (h *Hosts) Endpoints(ref registry.Reference) ([]registry.Endpoint, error) {
	all := slices.Clone(h.mirrors[ref.Registry])
	if h.base != nil {
		return append(all, *h.base), nil
	}
	configured, err := hostconfig.DefaultFiles().Endpoints(ref.Registry, ref.Repository)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref.Registry, err)
	}
	for _, found := range configured {
		if !found.TagOnly || ref.Digest == "" {
			all = append(all, h.endpoint(found))
		}
	}
	return all, nil
}

// endpoint adds to what the files say what is set in h.
func (h *Hosts) endpoint(found hostconfig.Endpoint) registry.Endpoint {
	e := found.Endpoint
	if h.PlainHTTP && !e.Mirror && e.URL.Scheme == "https" {
		e.URL.Scheme = "" // the registry package's rules for http apply
	}
	ownTLS := len(found.CAs)+len(found.Certificates) > 0 || found.SkipVerify
	if ownTLS || found.Proxy != nil || found.DialTimeout > 0 {
		t := registry.NewTransport(found.TLS(h.TLS))
		if found.Proxy != nil {
			t.Proxy = http.ProxyURL(found.Proxy)
		}
		if found.DialTimeout > 0 {
			t.DialContext = (&net.Dialer{Timeout: found.DialTimeout}).DialContext
		}
		e.Transport = h.limited(t)
	}
	if len(found.CAs) > 0 {
		// A private registry's storage and token server have certificates of the same CA. Client certificates are
		// not for them.
		trusting := hostconfig.Endpoint{CAs: found.CAs}
		e.Elsewhere = h.limited(registry.NewTransport(trusting.TLS(h.TLS)))
	}
	return e
}

// limited makes the connections of t take part in the limit.
func (h *Hosts) limited(t *http.Transport) *http.Transport {
	t.DialContext = h.Limit.Dial(t.DialContext)
	return t
}

// Logins finds what the user of this machine logs in to registries with: in docker's config.json, in
// podman's auth.json, and in the credential helpers that these name. The zero value searches where docker
// and podman do (https://docs.docker.com/reference/cli/docker/login/#credential-stores). It may be used
// concurrently. Its fields must not change after the first use.
type Logins struct {
	// AuthFile, if set, is the only file that is read, in docker's or podman's format. The environment variable
	// REGISTRY_AUTH_FILE sets it too.
	AuthFile string

	// Strict makes Credential fail if a credential helper fails or a file is damaged. Otherwise the search
	// goes on without the one that failed, and may end with no credential.
	Strict bool

	// Warn is told, in one line without secrets, what went wrong and did not end a search. It may be called
	// concurrently. nil means that nobody is told.
	Warn func(message string)

	open  sync.Once
	store *dockerauth.Store
}

// Credential returns the credential for a repository of a registry, or for the registry if repository is
// empty. It returns the zero Credential if there is none. It reads files once. It asks a credential helper
// again after some minutes, because some helpers give out passwords that expire. Its signature is that of
// registry.Client.Credentials.
func (l *Logins) Credential(ctx context.Context, host, repository string) (registry.Credential, error) {
	l.open.Do(func() {
		l.store = dockerauth.New(dockerauth.Options{AuthFile: l.AuthFile, Strict: l.Strict, Warn: l.Warn})
	})
	found, err := l.store.Lookup(ctx, host, repository)
	return registry.Credential(found), err
}
