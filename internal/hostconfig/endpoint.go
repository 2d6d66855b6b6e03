// Package hostconfig finds out how a registry is reached from the files of a machine's container engines:
// containerd's hosts.toml, podman's registries.conf, and the certs.d directories of all of them. Start with
// DefaultFiles and call Files.Endpoints. The package reads these files at each call and never writes one.
package hostconfig

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// ErrBlocked is wrapped by the error of Files.Endpoints for a repository that registries.conf forbids.
var ErrBlocked = errors.New("blocked")

// Endpoint is one address at which a repository can be reached, with all that is needed to talk to it.
// Headers, certificates, proxy and relaxed TLS are for the origin (scheme, host and port) of URL. They must
// not follow a redirect to another origin, or any other address that a server gives.
type Endpoint struct {
	// URL is the root of the API, for most registries https://host/v2/. It ends in a slash. It has neither user,
	// query nor fragment.
	URL *url.URL
	// SchemeAssumed says that nobody has given the scheme of URL. It is https then.
	SchemeAssumed bool
	// Registry is host[:port] as in image names, such as docker.io. Credentials for this name may be sent to the
	// endpoint.
	Registry string
	// Repository is the name of the repository at this endpoint. registries.conf may rewrite it.
	Repository string
	// Mirror says that this is another host than the registry. It may be sent credentials of its own only, never
	// those of the registry.
	Mirror bool
	// Source is the file that names the endpoint. It is empty for a registry that no file mentions.
	Source string

	Pull    bool // manifests and blobs by digest
	Resolve bool // manifests by tag, and lists of tags
	Push    bool
	TagOnly bool // not to be asked for images that the user named by digest

	// Namespace, unless empty, is sent as the query parameter ns. It tells a mirror of several registries which
	// one is meant.
	Namespace string
	// Header is added to every request.
	Header http.Header
	// Proxy replaces what the environment says about proxies. nil changes nothing.
	Proxy *url.URL
	// DialTimeout bounds the time to connect. 0 means the caller's default.
	DialTimeout time.Duration

	// CAs are trusted besides those of the system.
	CAs []*x509.Certificate
	// Certificates are offered to a server that asks for one.
	Certificates []tls.Certificate
	// SkipVerify says that the server's certificate is not to be verified.
	SkipVerify bool
	// FallbackHTTP allows http where the server does not speak TLS at URL, which is an https address. If that
	// has no port, http is allowed where nobody answers too.
	FallbackHTTP bool
}

// TLS returns a copy of base with what the endpoint adds to it. base may be nil.
func (e *Endpoint) TLS(base *tls.Config) *tls.Config {
	config := base.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	if len(e.CAs) > 0 {
		config.RootCAs = e.pool(config.RootCAs)
	}
	config.Certificates = slices.Concat(config.Certificates, e.Certificates)
	config.InsecureSkipVerify = config.InsecureSkipVerify || e.SkipVerify
	return config
}

func (e *Endpoint) pool(base *x509.CertPool) *x509.CertPool {
	var pool *x509.CertPool
	if base != nil {
		pool = base.Clone()
	} else if system, err := x509.SystemCertPool(); err == nil {
		pool = system
	} else {
		pool = x509.NewCertPool()
	}
	for _, ca := range e.CAs {
		pool.AddCert(ca)
	}
	return pool
}

// own is the endpoint of a registry that no file mentions.
func own(registry, repository string) Endpoint {
	e := Endpoint{URL: apiRoot(registry), SchemeAssumed: true, Registry: registry, Repository: repository}
	e.allowAll()
	return e
}

func (e *Endpoint) allowAll() { e.Pull, e.Resolve, e.Push = true, true, true }

// apiRoot returns where the API of a registry is by convention.
func apiRoot(registry string) *url.URL {
	return &url.URL{Scheme: "https", Host: apiHost(registry), Path: "/v2/"}
}

// apiHost returns the host that serves a registry.
func apiHost(registry string) string {
	if registry == "docker.io" || registry == "index.docker.io" {
		return "registry-1.docker.io"
	}
	return registry
}

// parseAddress reads the address of an API: a URL, or host[:port] for https. The API is at /v2/ below the
// path of the address, which may name that or not. With override the path itself is the root of the API.
func parseAddress(address string, override bool) (*url.URL, error) {
	full := address
	if !hasScheme(full) {
		full = "https://" + full
	}
	u, err := url.Parse(full)
	if err != nil {
		// The error of net/url repeats the address, which may hold a password.
		return nil, errors.New("it is not a URL")
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("scheme %q: it takes https or http", u.Scheme)
	}
	if !plainHost(u.Host) || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is not the name of a host", u.Host)
	}
	root := path.Clean("/" + u.Path)
	if !override && !strings.HasSuffix(root, "/v2") {
		root = path.Join(root, "v2")
	}
	if root != "/" {
		root += "/"
	}
	return &url.URL{Scheme: u.Scheme, Host: apiHost(u.Host), Path: root}, nil
}

func hasScheme(s string) bool { return strings.Contains(s, "://") }

// plainHost reports whether host[:port] can be the name of a file in a directory, without leading out of it.
func plainHost(host string) bool {
	return host != "" && host != "." && host != ".." && !strings.ContainsAny(host, `/\`+"\x00")
}

// isOwn reports whether u is an address of the registry itself. The scheme does not count.
func isOwn(u *url.URL, registry string) bool {
	name := url.URL{Host: apiHost(registry)}
	return strings.EqualFold(u.Hostname(), name.Hostname()) && portOf(u, u.Scheme) == portOf(&name, u.Scheme)
}

func portOf(u *url.URL, scheme string) string {
	switch port := u.Port(); {
	case port != "":
		return port
	case scheme == "http":
		return "80"
	}
	return "443"
}

// Endpoints lists where a repository is looked for: mirrors in their order, then the registry itself, or the
// server that hosts.toml names instead. If registries.conf blocks the registry, only its mirrors are listed.
// If there are none, the error wraps ErrBlocked. Without a repository the list is for the registry as a
// whole, without the mirrors that registries.conf has for repositories.
//
// To read, try the endpoints with the capability in their order, and go on with the next one after a failure.
// To push, take the first one with Push and no other. The list may have no endpoint with a capability.
//
// A hosts.toml of the registry decides which hosts there are. Without one registries.conf does. Endpoints
// that registries.conf blocks are left out in either case. certs.d adds certificates to each endpoint by its
// own host. Errors name the file.
func (f Files) Endpoints(registry, repository string) ([]Endpoint, error) {
	dir := f.containerdDir(registry)
	var hosts *hostsFile
	if dir != "" {
		var err error
		if hosts, err = readHosts(dir); err != nil {
			return nil, err
		}
	}
	namespaces, err := f.namespaces()
	if err != nil {
		return nil, err
	}
	all, err := hostsOf(hosts, namespaces, registry, repository)
	if err != nil {
		return nil, err
	}
	if all, err = unblocked(all, namespaces); err != nil {
		return nil, err
	}
	for i := range all {
		e := &all[i]
		if hosts == nil && dir != "" && !e.Mirror {
			if _, err := e.addCertDir(dir, true); err != nil {
				return nil, err
			}
		}
		if err := f.addDockerCerts(e); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func hostsOf(hosts *hostsFile, namespaces []namespace, registry, repository string) ([]Endpoint, error) {
	if hosts != nil {
		return hosts.endpoints(registry, repository)
	}
	if n := find(namespaces, registry, repository); n != nil {
		return n.endpoints(registry, repository)
	}
	return []Endpoint{own(registry, repository)}, nil
}

// unblocked leaves out the endpoints that registries.conf blocks. The mirrors of a blocked registry stay:
// that is how podman is told to use nothing but mirrors.
func unblocked(all []Endpoint, namespaces []namespace) ([]Endpoint, error) {
	var (
		left  []Endpoint
		block *namespace
	)
	for _, e := range all {
		if n := find(namespaces, e.Registry, e.Repository); n != nil && n.Blocked {
			block = n
			continue
		}
		left = append(left, e)
	}
	for _, e := range left {
		if e.Pull || e.Resolve || e.Push {
			return left, nil
		}
	}
	if block == nil {
		return left, nil
	}
	return nil, fmt.Errorf("%s: registry %q is %w", block.file, block.Prefix, ErrBlocked)
}

// At returns the endpoint at an address that the user gives: the URL of an API, or host[:port]. It has the
// certificates that certs.d holds for the host, but no capabilities and no repository.
func (f Files) At(address string) (Endpoint, error) {
	u, err := parseAddress(address, false)
	if err != nil {
		return Endpoint{}, fmt.Errorf("not the address of a registry: %w", err)
	}
	e := Endpoint{URL: u, SchemeAssumed: !hasScheme(address), Registry: u.Host}
	return e, f.addDockerCerts(&e)
}
