// Package hostconfig finds out how a registry is reached from the files of a machine's container engines:
// containerd's hosts.toml, podman's registries.conf, and the certs.d directories of all of them. Start with
// DefaultFiles and call Files.Endpoints. The package reads these files at each call and never writes one.
package hostconfig

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"drayage/registry"
)

// ErrBlocked is wrapped by the error of Files.Endpoints for a repository that registries.conf forbids.
var ErrBlocked = errors.New("blocked")

// Endpoint is a registry.Endpoint and what a transport to it needs. Headers, certificates, proxy and
// relaxed TLS are for the origin (scheme, host and port) of URL. They must not follow a redirect to another
// origin, or any other address that a server gives. URL has neither user, query nor fragment. It has no
// scheme where no file says one, and where http may take the place of https.
type Endpoint struct {
	registry.Endpoint
	TagOnly      bool                // not to be asked for images that the user named by digest
	Proxy        *url.URL            // in place of what the environment says; nil changes nothing
	DialTimeout  time.Duration       // bounds the time to connect; 0: the caller's default
	CAs          []*x509.Certificate // trusted besides those of the system
	Certificates []tls.Certificate   // offered to a server that asks for one
	SkipVerify   bool                // the server's certificate is not to be verified
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
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if base != nil {
		pool = base.Clone()
	}
	for _, ca := range e.CAs {
		pool.AddCert(ca)
	}
	return pool
}

// own is the endpoint of a registry that no file mentions.
func own(name, repository string) Endpoint {
	e := Endpoint{Endpoint: registry.DefaultEndpoint(name)}
	e.Registry, e.Repository = name, repository
	return e
}

func apiHost(name string) string { return registry.DefaultEndpoint(name).URL.Host }

// parseAddress reads the address of an API: a URL, or host[:port] and then the result has no scheme. The
// API is at /v2/ below the path of the address, which may name that or not. With override the path itself
// is the root of the API.
func parseAddress(address string, override bool) (url.URL, error) {
	full := address
	if !hasScheme(address) {
		full = "//" + address
	}
	u, err := url.Parse(full)
	if err != nil {
		// The error of net/url repeats the address, which may hold a password.
		return url.URL{}, errors.New("it is not a URL")
	}
	if u.Scheme != "" && u.Scheme != "https" && u.Scheme != "http" {
		return url.URL{}, fmt.Errorf("scheme %q: it takes https or http", u.Scheme)
	}
	if !plainHost(u.Host) || u.Hostname() == "" {
		return url.URL{}, fmt.Errorf("%q is not the name of a host", u.Host)
	}
	root := path.Clean("/" + u.Path)
	if !override && !strings.HasSuffix(root, "/v2") {
		root = path.Join(root, "v2")
	}
	if root != "/" {
		root += "/"
	}
	return url.URL{Scheme: u.Scheme, Host: apiHost(u.Host), Path: root}, nil
}

func hasScheme(s string) bool { return strings.Contains(s, "://") }

// plainHost reports whether host[:port] can be the name of a file in a directory, without leading out of it.
func plainHost(host string) bool {
	return host != "" && host != "." && host != ".." && !strings.ContainsAny(host, `/\`+"\x00")
}

// isOwn reports whether u is an address of the registry itself. The scheme does not count.
func isOwn(u url.URL, name string) bool {
	own := url.URL{Host: apiHost(name)}
	usual := "443"
	if u.Scheme == "http" {
		usual = "80"
	}
	samePort := cmp.Or(u.Port(), usual) == cmp.Or(own.Port(), usual)
	return samePort && strings.EqualFold(u.Hostname(), own.Hostname())
}

// Endpoints lists where a repository is looked for: mirrors in their order, then the registry itself, or the
// server that hosts.toml names instead. If registries.conf blocks the registry, only its mirrors are listed.
// If there are none, the error wraps ErrBlocked. Without a repository the list is for the registry as a
// whole, without the mirrors that registries.conf has for repositories.
//
// A hosts.toml of the registry decides which hosts there are. Without one registries.conf does. Endpoints
// that registries.conf blocks are left out in either case. certs.d adds certificates to each endpoint by its
// own host. Errors name the file.
func (f Files) Endpoints(name, repository string) ([]Endpoint, error) {
	dir := f.containerdDir(name)
	hosts, err := readHosts(dir)
	if err != nil {
		return nil, err
	}
	namespaces, err := f.namespaces()
	if err != nil {
		return nil, err
	}
	all, err := hostsOf(hosts, namespaces, name, repository)
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

func hostsOf(hosts *hostsFile, namespaces []namespace, name, repository string) ([]Endpoint, error) {
	if hosts != nil {
		return hosts.endpoints(name, repository)
	}
	if n := find(namespaces, name, repository); n != nil {
		return n.endpoints(name, repository)
	}
	return []Endpoint{own(name, repository)}, nil
}

// unblocked leaves out the endpoints that registries.conf blocks. The mirrors of a blocked registry stay:
// that is how podman is told to use nothing but mirrors.
func unblocked(all []Endpoint, namespaces []namespace) ([]Endpoint, error) {
	var block *namespace
	left := slices.DeleteFunc(all, func(e Endpoint) bool {
		n := find(namespaces, e.Registry, e.Repository)
		if n == nil || !n.Blocked {
			return false
		}
		block = n
		return true
	})
	usable := slices.ContainsFunc(left, func(e Endpoint) bool { return e.Digests || e.Tags || e.Push })
	if block != nil && !usable {
		return nil, fmt.Errorf("%s: registry %q is %w", block.file, block.Prefix, ErrBlocked)
	}
	return left, nil
}

// At returns the endpoint at an address that the user gives: the URL of an API, or host[:port]. It is for
// reading, has the certificates that certs.d holds for the host, and no repository.
func (f Files) At(address string) (Endpoint, error) {
	u, err := parseAddress(address, false)
	if err == nil && strings.ContainsAny(address, "@?#") {
		err = errors.New("it takes no user name, password, query or fragment")
	}
	if err != nil {
		return Endpoint{}, fmt.Errorf("not the address of a registry: %w", err)
	}
	e := Endpoint{Endpoint: registry.Endpoint{URL: u, Registry: u.Host, Digests: true, Tags: true}}
	return e, f.addDockerCerts(&e)
}
