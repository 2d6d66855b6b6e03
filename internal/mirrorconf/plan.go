package mirrorconf

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/registry"
)

// Image is an image and where it is in the mirror.
type Image struct {
	From   registry.Reference // the name that people keep using
	To     registry.Reference
	Digest digest.Digest // empty if it is not known
	Any    bool          // From stands for all images of its registry
}

// Plan says how names become names in a mirror.
type Plan struct {
	Mirror Mirror
	Own    bool     // there were images of the mirror itself, which need no rule
	Hosts  []string // the registries whose names stay in use
	hosts  []host
	odd    []string // images that no rule about repositories leads to
	images []Image  // sorted by name, each name once, without those that stand for a registry
}

// host is a registry whose names stay in use.
type host struct {
	name string
	// If all is set, the mirror has each repository of the host below path, under its own name. Else it has
	// only those of repositories, or rather nothing is known of others.
	all          bool
	path         string
	repositories []repository
}

// repository is one of a host, and what the mirror calls it.
type repository struct{ from, to string }

// New plans how images are pulled from a mirror.
func New(m Mirror, images []Image) *Plan {
	p := &Plan{Mirror: m}
	images = slices.Clone(images)
	slices.SortStableFunc(images, func(a, b Image) int { return cmp.Compare(a.From.String(), b.From.String()) })
	images = slices.CompactFunc(images, func(a, b Image) bool { return a.From == b.From })
	byHost := map[string][]Image{}
	for _, im := range images {
		if im.From.Registry == m.Host {
			p.Own = true
			continue
		}
		byHost[im.From.Registry] = append(byHost[im.From.Registry], im)
		if !im.Any {
			p.images = append(p.images, im)
		}
	}
	p.Hosts = slices.Sorted(maps.Keys(byHost))
	for _, name := range p.Hosts {
		p.addHost(host{name: name, all: true}, byHost[name])
	}
	return p
}

// addHost finds the rule for the images of a registry.
func (p *Plan) addHost(h host, images []Image) {
	to, divided, anyOf := map[string]string{}, map[string]bool{}, map[string]bool{}
	retagged := func(im Image) bool { return im.From.Tag != "" && im.To.Tag != im.From.Tag }
	for _, im := range images {
		there, ok := to[im.From.Repository]
		anyOf[im.From.Repository] = im.Any
		switch {
		case retagged(im):
		case ok && there != im.To.Repository:
			divided[im.From.Repository] = true
		default:
			to[im.From.Repository] = im.To.Repository
		}
	}
	for _, im := range images {
		if retagged(im) || divided[im.From.Repository] {
			p.odd = append(p.odd, im.From.String())
		}
	}
	maps.DeleteFunc(to, func(from, _ string) bool { return divided[from] })
	for i, from := range slices.Sorted(maps.Keys(to)) {
		path, below := pathOf(from, to[from])
		if i == 0 {
			h.path = path
		}
		h.all = h.all && below && path == h.path
		if !anyOf[from] {
			h.repositories = append(h.repositories, repository{from, to[from]})
		}
	}
	h.all = h.all && len(to) > 0
	p.hosts = append(p.hosts, h)
}

// pathOf is what stands before a repository in the mirror. It reports whether the repository has its own name
// there.
func pathOf(from, to string) (path string, below bool) {
	if to == from {
		return "", true
	}
	return strings.CutSuffix(to, "/"+from)
}

// rule leads from a prefix of names to a prefix of names in the mirror. Both have a registry.
type rule struct{ from, to string }

// rules are those for all hosts, for engines that know prefixes of names. They are sorted.
func (p *Plan) rules() (all []rule) {
	for _, h := range p.hosts {
		if h.all {
			all = append(all, rule{h.name, strings.TrimSuffix(p.Mirror.Host+"/"+h.path, "/")})
			continue
		}
		for _, r := range h.repositories {
			all = append(all, rule{h.name + "/" + r.from, p.Mirror.Host + "/" + r.to})
		}
	}
	return all
}

// Clash is two names that have one place in the mirror.
type Clash struct {
	First, Second, Place string
	Sure                 bool // they are different images
}

// Clash returns the first two names with one place, those first that are different images for sure.
func (p *Plan) Clash() (c Clash, found bool) {
	at := map[string]Image{}
	for _, im := range p.images {
		place := im.To.Tagged()
		first, ok := at[place]
		switch {
		case place == "":
		case !ok:
			at[place] = im
		case im.Digest != "" && im.Digest == first.Digest:
		default:
			sure := im.Digest != "" && first.Digest != ""
			if sure || !found {
				c, found = Clash{first.From.String(), im.From.String(), place, sure}, true
			}
			if sure {
				return c, true
			}
		}
	}
	return c, found
}
