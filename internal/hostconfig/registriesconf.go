package hostconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// namespace is a [[registry]] table of registries.conf: how a registry, or a part of it, is reached
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

// registriesFile is what of a registries.conf matters here, in version 2 of the format and in version 1.
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

// namespaces reads podman's configuration. Of tables with the same prefix, the first of the last file counts.
func (f Files) namespaces() ([]namespace, error) {
	conf, ok := f.registriesConf()
	if !ok {
		return nil, nil
	}
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

func (f Files) registriesConf() (RegistriesConf, bool) {
	for _, conf := range f.RegistriesConf {
		if conf.Required || exists(conf.File) {
			return conf, true
		}
	}
	if n := len(f.RegistriesConf); n > 0 {
		return f.RegistriesConf[n-1], true
	}
	return RegistriesConf{}, false
}

// merge adds what a later file says. Its tables replace those of the same prefix in their place.
func merge(all, more []namespace) []namespace {
	for _, n := range more {
		replaced := false
		for i := range all {
			if all[i].Prefix == n.Prefix {
				all[i] = n
				replaced = true
				break
			}
		}
		if !replaced {
			all = append(all, n)
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
	seen := map[string]bool{}
	for _, n := range doc.Registry {
		n.file = file
		if err := n.normalise(); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if !seen[n.Prefix] {
			seen[n.Prefix] = true
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
	switch m.PullFromMirror {
	case "", "all", "digest-only", "tag-only":
	default:
		return fmt.Errorf("pull-from-mirror = %q: there are all, digest-only and tag-only", m.PullFromMirror)
	}
	switch {
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
