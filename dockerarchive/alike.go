package dockerarchive

import (
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// broken are entries of index.json that an image of manifest.json may be read instead of: they are not whole,
// or an engine has made them anew.
type broken struct {
	first            *root   // of all, also of those that are not broken
	roots            []*root // that no image is read instead of yet
	lacking, damaged bool    // whether one of them is
}

func (b *broken) enter(r *root) {
	if n := len(b.roots); n == 0 || b.roots[n-1] != r {
		b.roots = append(b.roots, r)
		b.lacking, b.damaged = b.lacking || !r.whole(), b.damaged || r.damaged()
	}
}

// likeness is what an item of manifest.json and what index.json has of it have in common. Layers count if
// they match: artifacts share the empty configuration.
type likeness struct {
	config  digest.Digest
	layers  digest.Digest // of their paths; empty: any
	rebuilt bool          // the item tells of layers that an engine has unpacked
}

// alike are the entries of index.json that an item of manifest.json may be about.
type alike struct {
	to    *root // gets further names: the first without a name, or else the first
	known names // that one of them has
	broken
}

// names is a set of names. There are very many sets, and nearly all have one name: a map for each would take
// more memory than all else that is known of an archive.
type names struct {
	few  []string
	many map[string]bool // all of them, once they are more than fewNames
}

const fewNames = 8

// add adds a name, and reports whether it was not there.
func (s *names) add(name string) bool {
	if s.many[name] || s.many == nil && slices.Contains(s.few, name) {
		return false
	}
	if s.many == nil && len(s.few) < fewNames {
		s.few = append(s.few, name)
		return true
	}
	if s.many == nil {
		s.many = map[string]bool{}
		for _, n := range s.few {
			s.many[n] = true
		}
	}
	s.many[name] = true
	return true
}

func (a *alike) enter(r *root) {
	if a.first == nil {
		a.first, a.to = r, r
	} else if a.to.Name != "" && r.Name == "" {
		a.to = r
	}
	a.known.add(r.Name)
}

// name gives those of the names that no entry has yet.
func (a *alike) name(names, odd []string) {
	a.first.odd = append(a.first.odd, odd...)
	for _, n := range names {
		if a.known.add(n) {
			a.to.names = append(a.to.names, n)
		}
	}
}

func hashOf[T any](layers []T, path func(T) string) digest.Digest {
	var all strings.Builder
	for _, l := range layers {
		all.WriteString(path(l) + "\x00")
	}
	return digest.FromString(all.String())
}
