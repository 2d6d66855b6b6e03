package serve

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
)

// Catalog is a directory of all names on some shelves. Its names do not change, and it may be used
// concurrently.
type Catalog struct {
	shelves      []Shelf // without their images
	repositories []Repository
	conflicts    []Conflict

	byName    map[string]int // places in repositories
	byPath    map[string]int // without the registry; ambiguous ones are at several
	bySuffix  map[string]int
	byDashed  map[string]int           // with the registry as a path can have it, where it has a port
	types     map[digest.Digest]string // media types of roots, as far as they are known
	referring map[digest.Digest][]v1.Descriptor
	belonging map[string]v1.Descriptor // referrers by the tag under which cosign looks for them

	faults sync.Map // passKey of each blob that was wrong: another shelf is asked first from then on
}

// several is in place of a place if there is more than one.
const several = -1

// Repository is a repository with its tags.
type Repository struct {
	Name string // in full, with the registry
	Tags []Tag  // sorted by name
}

// Tag is a tag of a repository.
type Tag struct {
	Name  string
	Root  v1.Descriptor // the media type may be empty
	Shelf string        // the name of the shelf that it comes from
}

// Conflict says that two shelves have different images under one name. The first one is served.
type Conflict struct {
	Name             string        // with the tag
	Served, Left     digest.Digest // of their roots
	ServedIn, LeftIn string        // names of shelves
}

// NewCatalog makes a catalog of shelves. Of images with the same name the first one is served, and a blob is
// looked for on all shelves in their order. NewCatalog reads nothing.
func NewCatalog(shelves []Shelf) *Catalog {
	c := &Catalog{byName: map[string]int{}, byPath: map[string]int{}, bySuffix: map[string]int{},
		byDashed: map[string]int{}, types: map[digest.Digest]string{},
		referring: map[digest.Digest][]v1.Descriptor{},
		belonging: map[string]v1.Descriptor{}}
	e := entering{Catalog: c, tags: map[tagKey]int{}}
	for _, referrers := range []bool{false, true} { // some carry the name of their image: that goes first
		for _, s := range shelves {
			for _, im := range s.Images {
				if referrers == (im.Subject != "") {
					e.enter(&s, &im)
				}
			}
		}
	}
	e.tagReferrers(shelves)
	for _, s := range shelves {
		s.Images = nil
		c.shelves = append(c.shelves, s)
	}
	c.sort()
	return c
}

// sort makes the lists what they are from then on.
func (c *Catalog) sort() {
	slices.SortFunc(c.repositories, func(a, b Repository) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(c.conflicts, func(a, b Conflict) int { return cmp.Compare(a.Name, b.Name) })
	for i := range c.repositories {
		r := &c.repositories[i]
		slices.SortFunc(r.Tags, func(a, b Tag) int { return cmp.Compare(a.Name, b.Name) })
		r.Tags = slices.Clip(r.Tags)
		c.byName[r.Name] = i
		host, path := cutHost(r.Name)
		if as := dashed(host); as != host {
			note(c.byDashed, as+"/"+path, i)
		}
		note(c.byPath, path, i)
		for rest := path; ; {
			note(c.bySuffix, rest, i)
			_, shorter, more := strings.Cut(rest, "/")
			if !more {
				break
			}
			rest = shorter
		}
	}
	for i := range c.repositories { // who asks for x may mean the one of Docker Hub
		if short, ok := strings.CutPrefix(c.repositories[i].Name, hub+"/"+library); ok {
			if _, taken := c.byPath[short]; taken {
				c.byPath[short] = several
			}
		}
	}
}

func note(places map[string]int, name string, i int) {
	if _, taken := places[name]; taken {
		i = several
	}
	places[name] = i
}

// entering is a catalog while it is made.
type entering struct {
	*Catalog
	tags map[tagKey]int // places in the repository
}

type tagKey struct {
	repository int
	tag        string
}

func (e *entering) enter(s *Shelf, im *Image) {
	if im.Root.MediaType != "" {
		e.types[im.Root.Digest] = im.Root.MediaType
	}
	named := false
	for _, name := range im.Names {
		repository, tag, ok := splitName(name)
		if !ok {
			continue
		}
		if im.Subject != "" && im.Tag != "" && tag != "" {
			tag = im.Tag
		}
		e.add(repository, tag, s, im)
		named = true
	}
	if im.Subject == "" {
		if !named && validName(s.Repository) {
			e.add(s.Repository, im.Tag, s, im)
		}
		return
	}
	same := func(d v1.Descriptor) bool { return d.Digest == im.Root.Digest }
	if !slices.ContainsFunc(e.referring[im.Subject], same) {
		e.referring[im.Subject] = append(e.referring[im.Subject], im.Root)
	}
	if _, taken := e.belonging[im.Tag]; !taken && validTag(im.Tag) {
		e.belonging[im.Tag] = im.Root
	}
}

// tagReferrers gives referrers their tag in each repository that has their subject under a tag.
func (e *entering) tagReferrers(shelves []Shelf) {
	if len(e.belonging) == 0 {
		return
	}
	having := map[digest.Digest][]string{} // repositories
	for _, r := range e.repositories {
		for _, t := range r.Tags {
			having[t.Root.Digest] = append(having[t.Root.Digest], r.Name)
		}
	}
	for _, s := range shelves {
		for _, im := range s.Images {
			if im.Subject == "" || im.Tag == "" {
				continue
			}
			for _, repository := range having[im.Subject] {
				e.add(repository, im.Tag, &s, &im)
			}
		}
	}
}

// add enters an image under a name. The tag may be empty: the repository exists then.
func (e *entering) add(repository, tag string, s *Shelf, im *Image) {
	at, known := e.byName[repository]
	if !known {
		at = len(e.repositories)
		e.byName[repository] = at
		e.repositories = append(e.repositories, Repository{Name: repository})
	}
	if !validTag(tag) {
		return
	}
	r := &e.repositories[at]
	key := tagKey{at, tag}
	if i, taken := e.tags[key]; taken {
		if first := r.Tags[i]; first.Root.Digest != im.Root.Digest && im.Subject == "" {
			e.conflicts = append(e.conflicts, Conflict{Name: repository + ":" + tag, Served: first.Root.Digest,
				Left: im.Root.Digest, ServedIn: first.Shelf, LeftIn: s.Name})
		}
		return
	}
	e.tags[key] = len(r.Tags)
	r.Tags = append(r.Tags, Tag{Name: tag, Root: im.Root, Shelf: s.Name})
}

// Repositories lists all repositories by their full names, sorted. The caller does not change them.
func (c *Catalog) Repositories() []Repository { return c.repositories }

// Conflicts lists, sorted, the names under which several shelves have different images.
func (c *Catalog) Conflicts() []Conflict { return c.conflicts }

// Stat looks for a blob or manifest on all shelves. The error about one that is nowhere wraps fs.ErrNotExist,
// or is an [image.Absent] if a shelf says why.
func (c *Catalog) Stat(d digest.Digest) (v1.Descriptor, error) {
	desc, _, err := c.find(d)
	return desc, err
}

// Open implements [image.Source] for all shelves.
func (c *Catalog) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	_, at, err := c.find(d.Digest)
	if err != nil {
		return nil, err
	}
	return at.content().Open(ctx, d, offset, length)
}

// place is a shelf of a catalog.
type place struct {
	catalog *Catalog
	shelf   int
}

func (p place) content() Content { return p.catalog.shelves[p.shelf].Content }

func (p place) name() string { return p.catalog.shelves[p.shelf].Name }

// find returns the first shelf that has a blob. One where the blob was wrong comes last.
func (c *Catalog) find(d digest.Digest) (v1.Descriptor, place, error) {
	desc, at, err := c.findWhere(d, false)
	if err != nil {
		if desc, at, again := c.findWhere(d, true); again == nil {
			return desc, at, nil
		}
	}
	return desc, at, err
}

// findWhere looks for a blob on the shelves where it was wrong, or on all others. The error of a shelf that
// fails counts for more than one that says why the blob is absent, and that for more than one that says
// nothing.
func (c *Catalog) findWhere(d digest.Digest, wrong bool) (v1.Descriptor, place, error) {
	worst := error(fs.ErrNotExist)
	for i, s := range c.shelves {
		at := place{c, i}
		if _, was := c.faults.Load(passKey{at, d}); was != wrong {
			continue
		}
		desc, err := s.Content.Stat(d)
		if err == nil {
			return desc, at, nil
		}
		var absent image.Absent
		if !errors.Is(err, fs.ErrNotExist) || errors.As(err, &absent) && errors.Is(worst, fs.ErrNotExist) {
			worst = err
		}
	}
	return v1.Descriptor{}, place{}, worst
}

// tagged returns the root of a tag.
func (r *Repository) tagged(tag string) (v1.Descriptor, bool) {
	i, found := slices.BinarySearchFunc(r.Tags, tag, func(t Tag, s string) int { return cmp.Compare(t.Name, s) })
	if !found {
		return v1.Descriptor{}, false
	}
	return r.Tags[i].Root, true
}
