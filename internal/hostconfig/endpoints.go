package hostconfig

import "fmt"

// Endpoints lists where a repository is to be sought: mirrors in their order, then the registry itself, or
// the server that hosts.toml puts in its place. If registries.conf blocks the registry, only its mirrors
// are listed; if it has none, the error wraps ErrBlocked. Without a repository it is about the registry as such, and the mirrors that
// registries.conf has for repositories are left out.
//
// To read, take those with the capability in their order, and go on to the next where one fails or does not have
// what is wanted. To push, take the first with Push and no other. There may be none with a certain capability.
//
// A hosts.toml for the registry decides what hosts there are, otherwise registries.conf does. What the latter blocks
// is left out in either case, and certs.d adds certificates to each endpoint by its own host. Errors name the file.
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

// unblocked leaves out the endpoints that registries.conf forbids. Mirrors of a registry that is blocked remain: that is how
// podman is told to use them alone.
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

// At is the endpoint at an address that the user gives: the URL of an API, or host[:port]. It has the certificates
// that certs.d holds for the host, no capabilities and no repository.
func (f Files) At(address string) (Endpoint, error) {
	u, err := parseAddress(address, false)
	if err != nil {
		return Endpoint{}, fmt.Errorf("not the address of a registry: %w", err)
	}
	e := Endpoint{URL: u, SchemeAssumed: !hasScheme(address), Registry: u.Host}
	return e, f.addDockerCerts(&e)
}
