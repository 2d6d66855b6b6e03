package upload

import (
	"fmt"
	"strings"

	"drayage/internal/usage"
	"drayage/registry"
)

// Renaming says what images are called below a prefix. The zero value keeps the repository and the tag of a
// name, and drops its registry.
type Renaming struct {
	// Mapping has rules for some names. What a rule says of a name stands, and no other field applies to it.
	Mapping Mapping
	// Strip lists prefixes that are taken off repositories, such as team/ or ghcr.io/team/. One that begins
	// with a registry is for repositories of that registry only. Of several that fit, the longest is taken off.
	Strip []string
	// Flatten keeps only the last part of a repository's path.
	Flatten bool
	// KeepHost keeps the registry of a name as the first part of the path: docker.io/library/alpine. Where no
	// path can hold a registry's name, as that of localhost:5000, other characters become dashes.
	KeepHost bool
}

// check returns an error if parts of a renaming contradict each other.
func (r Renaming) check() error {
	if r.Flatten && len(r.Strip) > 0 {
		return usage.Errorf("a flattened path has no prefix left that could be stripped: choose one of both")
	}
	for _, s := range r.Strip {
		if _, err := registry.ParseReference("registry.invalid/" + stripped(s) + "x"); err != nil {
			return usage.Errorf("the prefix %q cannot be stripped: it is not the beginning of a repository's path", s)
		}
	}
	return nil
}

// stripped is a prefix as it is compared: it ends where a part of the path ends.
func stripped(prefix string) string { return strings.Trim(prefix, "/") + "/" }

// of is what the image of a name is called below the prefix: its repository and its tag, if it has one.
func (r Renaming) of(name registry.Reference) string {
	if to, ok := r.Mapping.of(name); ok {
		return to
	}
	path := r.strip(name)
	if r.Flatten {
		path = path[strings.LastIndexByte(path, '/')+1:]
	}
	if r.KeepHost {
		path = hostPath(name.Registry) + "/" + path
	}
	return tagged(path, name)
}

// strip is the repository without the longest prefix that is to be taken off.
func (r Renaming) strip(name registry.Reference) string {
	longest := 0
	for _, s := range r.Strip {
		s = stripped(s)
		if own, ok := strings.CutPrefix(s, name.Registry+"/"); ok && own != "" {
			s = own
		}
		if strings.HasPrefix(name.Repository, s) {
			longest = max(longest, len(s))
		}
	}
	return name.Repository[longest:]
}

// tagged is a path with the tag of a name, if the name has one.
func tagged(path string, name registry.Reference) string {
	if name.Tag == "" {
		return path
	}
	return path + ":" + name.Tag
}

// hostPath is a registry's name as a part of a path
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests).
func hostPath(host string) string {
	fits := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}
	return strings.Trim(strings.Map(fits, strings.ToLower(host)), "-.")
}

// under is the place of a path below the prefix. A mapping may name the prefix too. Without a tag in the path
// the image is pushed by its digest.
func (d Destination) under(path string) (registry.Reference, error) {
	path = strings.TrimPrefix(path, d.text)
	ref, err := registry.ParseReference(d.text + path)
	if err != nil {
		return ref, fmt.Errorf("%q below %s: %w", path, d.text, err)
	}
	if !hasTag(path) {
		ref.Tag = ""
	}
	return ref, nil
}

// hasTag reports whether a name that may have one has a tag.
func hasTag(name string) bool {
	return strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":")
}
