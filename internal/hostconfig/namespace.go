package hostconfig

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
)

// match returns what follows the prefix in the full name of a repository. As with podman a prefix without port
// stands for all ports of the host.
func (n *namespace) match(registry, repository string) (rest string, ok bool) {
	name := registry + "/" + repository
	if n.wildcard() {
		host, _, _ := strings.Cut(registry, ":")
		return name[len(host):], strings.HasSuffix(host, n.Prefix[1:])
	}
	rest, ok = strings.CutPrefix(name, n.Prefix)
	return rest, ok && (rest == "" || rest[0] == '/' || rest[0] == ':')
}

// find returns the table with the longest prefix of a repository, or nil.
func find(all []namespace, registry, repository string) *namespace {
	var found *namespace
	for i := range all {
		if _, ok := all[i].match(registry, repository); ok && (found == nil || len(all[i].Prefix) > len(found.Prefix)) {
			found = &all[i]
		}
	}
	return found
}

// endpoints lists the mirrors of a repository that n matches, its location, and the registry itself. Where these two
// differ, the latter is only pushed to, because podman redirects reads alone.
func (n *namespace) endpoints(registry, repository string) ([]Endpoint, error) {
	self := own(registry, repository)
	self.Source = n.file
	self.SkipVerify, self.FallbackHTTP = n.Insecure, n.Insecure
	if repository == "" {
		return []Endpoint{self}, nil // a registry to log in to: its mirrors are others
	}
	rest, _ := n.match(registry, repository)
	var all []Endpoint
	for _, m := range n.Mirrors {
		e, err := n.at(m.Location+rest, registry, m.Insecure)
		if err != nil {
			return nil, fmt.Errorf("%s: registry %q: mirror %q: %w", n.file, n.Prefix, m.Location, err)
		}
		e.Pull = true
		e.Resolve = !n.MirrorByDigestOnly && m.PullFromMirror != "digest-only"
		e.Referrers = e.Resolve
		e.TagOnly = m.PullFromMirror == "tag-only"
		all = append(all, e)
	}
	if n.Location != "" && n.Location != n.Prefix {
		e, err := n.at(n.Location+rest, registry, n.Insecure)
		if err != nil {
			return nil, fmt.Errorf("%s: registry %q: location %q: %w", n.file, n.Prefix, n.Location, err)
		}
		e.Pull, e.Resolve, e.Referrers = true, true, true
		self.Pull, self.Resolve, self.Referrers = false, false, false
		all = append(all, e)
	}
	return append(all, self), nil
}

// at is the endpoint of a repository with its full name.
func (n *namespace) at(name, registry string, insecure bool) (Endpoint, error) {
	named, err := reference.ParseNamed(name)
	if err != nil {
		return Endpoint{}, fmt.Errorf("it makes the name %q, which is not valid: %v", name, err)
	}
	e := Endpoint{
		URL:           apiRoot(reference.Domain(named)),
		SchemeAssumed: true,
		Registry:      reference.Domain(named),
		Repository:    reference.Path(named),
		Source:        n.file,
		SkipVerify:    insecure,
		FallbackHTTP:  insecure,
	}
	e.Mirror = !isOwn(e.URL, registry)
	return e, nil
}
