package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/hostconfig"
	"drayage/registry"
)

// endpointFlags choose where a registry is reached.
func endpointFlags() []cli.Flag {
	return []cli.Flag{
		baseFlag("`URL` of the registry's API, with its path prefix; image names are then repositories in it"),
		&cli.StringSliceFlag{Name: "mirror", Usage: "read from `[REGISTRY=]URL` first (without REGISTRY= it stands in for docker.io)"},
	}
}

func baseFlag(usage string) cli.Flag { return &cli.StringFlag{Name: "registry", Usage: usage} }

// endpoints finds out how registries are reached: by the flags, else by the machine's configuration files.
type endpoints struct {
	files     hostconfig.Files
	tls       *tls.Config
	limit     *registry.Limit
	plainHTTP bool
	base      *registry.Endpoint             // --registry
	mirrors   map[string][]registry.Endpoint // --mirror, by registry
}

func newEndpoints(c *cli.Context, config *tls.Config) (*endpoints, error) {
	e := &endpoints{files: hostconfig.DefaultFiles(), tls: config, plainHTTP: c.Bool("plain-http"), mirrors: map[string][]registry.Endpoint{}}
	if base := c.String("registry"); base != "" {
		at, err := e.files.At(base)
		if err != nil {
			return nil, usagef("--registry %s: %v", base, err)
		}
		own := e.given(at, base)
		own.Tags, own.Digests, own.Push = true, true, true
		e.base = &own
	}
	for _, m := range c.StringSlice("mirror") {
		name, address := "docker.io", m
		if before, after, ok := strings.Cut(m, "="); ok && !strings.ContainsAny(before, "/?") {
			name, address = before, after
		}
		at, err := e.files.At(address)
		if err != nil {
			return nil, usagef("--mirror %s: %v", m, err)
		}
		mirror := e.given(at, address)
		mirror.Mirror, mirror.Tags, mirror.Digests = true, true, true
		e.mirrors[name] = append(e.mirrors[name], mirror)
	}
	return e, nil
}

// of has the signature of registry.Client.Endpoints.
func (e *endpoints) of(ref registry.Reference) ([]registry.Endpoint, error) {
	if e.base != nil {
		return append(slices.Clone(e.mirrors[ref.Registry]), *e.base), nil
	}
	configured, err := e.files.Endpoints(ref.Registry, ref.Repository)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref.Registry, err)
	}
	all := append([]registry.Endpoint(nil), e.mirrors[ref.Registry]...)
	for _, h := range configured {
		if h.TagOnly && ref.Digest != "" {
			continue
		}
		all = append(all, e.convert(h))
	}
	return all, nil
}

// given is an endpoint of the command line: a scheme that was typed counts.
func (e *endpoints) given(h hostconfig.Endpoint, typed string) registry.Endpoint {
	to := e.convert(h)
	if strings.Contains(typed, "://") {
		to.URL.Scheme = h.URL.Scheme
	}
	return to
}

func (e *endpoints) convert(h hostconfig.Endpoint) registry.Endpoint {
	to := registry.Endpoint{
		URL: *h.URL, Registry: h.Registry, FallbackHTTP: h.FallbackHTTP, Header: h.Header, Repository: h.Repository, Namespace: h.Namespace,
		Mirror: h.Mirror, Tags: h.Resolve, Digests: h.Pull, Push: h.Push,
	}
	if to.URL.Scheme == "https" && (h.SchemeAssumed || h.FallbackHTTP || e.plainHTTP && !h.Mirror) {
		to.URL.Scheme = "" // nobody has asked for TLS: the rules for http apply
	}
	if len(h.CAs)+len(h.Certificates) > 0 || h.SkipVerify || h.Proxy != nil || h.DialTimeout > 0 {
		t := registry.NewTransport(h.TLS(e.tls))
		if h.Proxy != nil {
			t.Proxy = http.ProxyURL(h.Proxy)
		}
		if h.DialTimeout > 0 {
			t.DialContext = (&net.Dialer{Timeout: h.DialTimeout}).DialContext
		}
		to.Transport = limited(t, e.limit)
	}
	if len(h.CAs) > 0 {
		// A private registry's storage and token server have their certificates from the same CA; client certificates are not for them.
		to.Elsewhere = limited(registry.NewTransport((&hostconfig.Endpoint{CAs: h.CAs}).TLS(e.tls)), e.limit)
	}
	return to
}

// reference reads an image name of the command line. With --registry it is a repository there and nothing is added to it.
func reference(c *cli.Context, name string) (registry.Reference, error) {
	base := c.String("registry")
	if base == "" {
		return registry.ParseReference(name)
	}
	host, err := hostOf(base)
	if err != nil {
		return registry.Reference{}, err
	}
	ref, err := registry.ParseReference("registry.invalid/" + strings.TrimPrefix(strings.TrimPrefix(name, "docker://"), host+"/"))
	ref.Registry = host
	return ref, err
}

// hostOf is the name under which a registry that was given by URL is known: one that cannot be taken for a path on Docker Hub.
func hostOf(base string) (string, error) {
	if !strings.Contains(base, "://") {
		base = "https://" + base
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", usagef("--registry %s is no URL", base)
	}
	if u.Port() == "" && !strings.Contains(u.Host, ".") && u.Hostname() != "localhost" {
		if u.Scheme == "http" {
			return u.Host + ":80", nil
		}
		return u.Host + ":443", nil
	}
	return u.Host, nil
}
