package hostconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distribution/reference"
)

// namespace is a [[registry]] table of registries.conf. It says how a registry, or a part of it, is reached
// (https://github.com/containers/container-libs/blob/main/image/docs/containers-registries.conf.5.md).
type namespace struct {
	Prefix             string       `toml:"prefix"`
	Location           string       `toml:"location"`
	Insecure           bool         `toml:"insecure"`
	Blocked            bool         `toml:"blocked"`
	MirrorByDigestOnly bool         `toml:"mirror-by-digest-only"`
	PullFromMirror     string       `toml:"pull-from-mirror"`
	Mirrors            []mirrorSpec `toml:"mirror"`

	file string
}

type mirrorSpec struct {
	Location       string `toml:"location"`
	Insecure       bool   `toml:"insecure"`
	PullFromMirror string `toml:"pull-from-mirror"`
}

// registriesFile has the parts of a registries.conf that matter here, of versions 2 and 1 of the format.
type registriesFile struct {
	Registry   []namespace `toml:"registry"`
	Registries struct {
		Insecure struct {
			Registries []string `toml:"registries"`
		} `toml:"insecure"`
		Block struct {
			Registries []string `toml:"registries"`
		} `toml:"block"`
	} `toml:"registries"`
}

// namespaces reads podman's configuration. Of tables with the same prefix, the first one in the last file
// counts.
func (f Files) namespaces() ([]namespace, error) {
	conf := f.registriesConf()
	var all []namespace
	if conf.Required || exists(conf.File) {
		var err error
		if all, err = loadRegistries(conf.File); err != nil {
			return nil, err
		}
	}
	for _, dir := range conf.Dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !absent(err) {
			return nil, err
		}
		for _, entry := range entries {
			if entry.IsDir() || !strings.HasSuffix(entry.Name(), ".conf") {
				continue
			}
			more, err := loadRegistries(filepath.Join(dir, entry.Name()))
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed since it was listed
			}
			if err != nil {
				return nil, err
			}
			all = merge(all, more)
		}
	}
	return all, nil
}

// registriesConf returns the place that counts. Without any place it looks nowhere.
func (f Files) registriesConf() (conf RegistriesConf) {
	for _, conf = range f.RegistriesConf {
		if conf.Required || exists(conf.File) {
			break
		}
	}
	return conf
}

// merge adds the tables of a later file. They take the places of tables with the same prefix.
func merge(all, more []namespace) []namespace {
	for _, n := range more {
		i := slices.IndexFunc(all, func(other namespace) bool { return other.Prefix == n.Prefix })
		if i < 0 {
			all = append(all, n)
		} else {
			all[i] = n
		}
	}
	return all
}

func loadRegistries(file string) ([]namespace, error) {
	raw, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return parseRegistries(file, raw)
}

func parseRegistries(file string, raw []byte) ([]namespace, error) {
	var doc registriesFile
	if err := decode(file, raw, &doc); err != nil {
		return nil, err
	}
	for _, name := range doc.Registries.Block.Registries {
		doc.Registry = append(doc.Registry, namespace{Location: name, Blocked: true})
	}
	for _, name := range doc.Registries.Insecure.Registries {
		doc.Registry = append(doc.Registry, namespace{Location: name, Insecure: true})
	}
	all := make([]namespace, 0, len(doc.Registry))
	for _, n := range doc.Registry {
		n.file = file
		if err := n.normalise(); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if !slices.ContainsFunc(all, func(other namespace) bool { return other.Prefix == n.Prefix }) {
			all = append(all, n)
		}
	}
	return all, nil
}

// normalise checks the table and fills in what is left out.
func (n *namespace) normalise() error {
	n.Prefix, n.Location = strings.TrimRight(n.Prefix, "/"), strings.TrimRight(n.Location, "/")
	switch {
	case n.Prefix == "" && n.Location == "":
		return errors.New("a [[registry]] table has neither prefix nor location")
	case n.Prefix == "":
		n.Prefix = n.Location
	case n.Location == "" && !n.wildcard():
		n.Location = n.Prefix
	}
	if err := n.check(); err != nil {
		return fmt.Errorf("registry %q: %w", n.Prefix, err)
	}
	for i := range n.Mirrors {
		m := &n.Mirrors[i]
		m.Location = strings.TrimRight(m.Location, "/")
		if err := m.check(n); err != nil {
			return fmt.Errorf("registry %q: mirror %q: %w", n.Prefix, m.Location, err)
		}
	}
	return nil
}

func (n *namespace) check() error {
	switch {
	case hasScheme(n.Prefix), hasScheme(n.Location):
		return errScheme
	case strings.HasPrefix(n.Location, "*"):
		return errors.New("a location cannot begin with *")
	case strings.Contains(n.Prefix, "*") && (!n.wildcard() || strings.ContainsAny(n.Prefix[1:], "*/:@")):
		return errors.New("a * can only stand for subdomains, as in *.example.com, without port or path")
	case n.PullFromMirror != "":
		return errors.New("pull-from-mirror is for mirrors and not for the registry")
	}
	return nil
}

var errScheme = errors.New("locations have no scheme, only host[:port][/path]")

func (m *mirrorSpec) check(n *namespace) error {
	switch {
	case !slices.Contains([]string{"", "all", "digest-only", "tag-only"}, m.PullFromMirror):
		return fmt.Errorf("pull-from-mirror = %q: there are all, digest-only and tag-only", m.PullFromMirror)
	case m.Location == "":
		return errors.New("it has no location")
	case hasScheme(m.Location):
		return errScheme
	case n.MirrorByDigestOnly && m.PullFromMirror != "":
		return errors.New("pull-from-mirror cannot be used beside the registry's mirror-by-digest-only")
	}
	return nil
}

func (n *namespace) wildcard() bool { return strings.HasPrefix(n.Prefix, "*.") }

// match returns what follows the prefix in the full name of a repository. As with podman, a prefix without a
// port stands for all ports of the host.
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
		_, ok := all[i].match(registry, repository)
		if ok && (found == nil || len(all[i].Prefix) > len(found.Prefix)) {
			found = &all[i]
		}
	}
	return found
}

// endpoints lists the mirrors of a repository that n matches, its location, and the registry itself. If the
// location is not the registry, the registry is only pushed to: podman redirects nothing but reads.
func (n *namespace) endpoints(registry, repository string) ([]Endpoint, error) {
	self := own(registry, repository)
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
		e.Tags = !n.MirrorByDigestOnly && m.PullFromMirror != "digest-only"
		e.TagOnly = m.PullFromMirror == "tag-only"
		all = append(all, e)
	}
	if n.Location != "" && n.Location != n.Prefix {
		e, err := n.at(n.Location+rest, registry, n.Insecure)
		if err != nil {
			return nil, fmt.Errorf("%s: registry %q: location %q: %w", n.file, n.Prefix, n.Location, err)
		}
		self.Digests, self.Tags = false, false
		all = append(all, e)
	}
	return append(all, self), nil
}

// at returns the endpoint, for reading, of a repository with its full name.
func (n *namespace) at(name, registry string, insecure bool) (Endpoint, error) {
	named, err := reference.ParseNamed(name)
	if err == nil && reference.Domain(named) == "" { // the library takes such a host for a part of the path
		err = errors.New("the name of a registry cannot have an underscore")
	}
	if err != nil {
		return Endpoint{}, fmt.Errorf("it makes the name %q, which is not valid: %v", name, err)
	}
	e := own(reference.Domain(named), reference.Path(named))
	e.Push, e.SkipVerify, e.FallbackHTTP = false, insecure, insecure
	e.Mirror = !isOwn(e.URL, registry)
	return e, nil
}
