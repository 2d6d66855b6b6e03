package main

import (
	"net/url"
	"strings"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"drayage/engineconfig"
	"drayage/registry"
)

// endpointFlags choose where a registry is reached.
func endpointFlags() []cli.Flag {
	return []cli.Flag{
		baseFlag("`URL` of the registry's API, with its path prefix; image names are then repositories in it"),
		&cli.StringSliceFlag{Name: "mirror",
			Usage: "read from `[REGISTRY=]URL` first (without REGISTRY= it stands in for docker.io)"},
	}
}

func baseFlag(usage string) cli.Flag { return &cli.StringFlag{Name: "registry", Usage: usage} }

// newHosts returns what the machine's configuration files say of registries, with what the flags add.
func newHosts(c *cli.Context) (*engineconfig.Hosts, error) {
	config, err := tlsConfig(c)
	if err != nil {
		return nil, err
	}
	limit, err := rateLimit(c)
	if err != nil {
		return nil, err
	}
	hosts := &engineconfig.Hosts{TLS: config, Limit: limit, PlainHTTP: c.Bool("plain-http")}
	if base := c.String("registry"); base != "" {
		if err := hosts.SetBase(base); err != nil {
			return nil, usagef("--registry %s: %v", base, err)
		}
	}
	for _, m := range c.StringSlice("mirror") {
		name, address := "docker.io", m
		if before, after, ok := strings.Cut(m, "="); ok && !strings.ContainsAny(before, "/?") {
			name, address = before, after
		}
		if err := hosts.AddMirror(name, address); err != nil {
			return nil, usagef("--mirror %s: %v", m, err)
		}
	}
	return hosts, nil
}

// rateLimit reads --limit-rate. nil means no limit.
func rateLimit(c *cli.Context) (*registry.Limit, error) {
	text := c.String("limit-rate")
	if text == "" {
		return nil, nil
	}
	n, err := units.RAMInBytes(text)
	if err != nil || n <= 0 {
		return nil, usagef("--limit-rate %q is no number of bytes per second, such as 500k or 2M", text)
	}
	return registry.NewLimit(n), nil
}

// reference reads an image name of the command line. With --registry the name is a repository there,
// without the defaults of Docker Hub.
func reference(c *cli.Context, name string) (registry.Reference, error) {
	base := c.String("registry")
	if base == "" {
		return registry.ParseReference(name)
	}
	host, err := hostOf(base)
	if err != nil {
		return registry.Reference{}, err
	}
	repository := strings.TrimPrefix(strings.TrimPrefix(name, "docker://"), host+"/")
	ref, err := registry.ParseReference("registry.invalid/" + repository)
	ref.Registry = host
	return ref, err
}

// hostOf returns the name of a registry that was given by URL. The name cannot be taken for a path on
// Docker Hub.
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
