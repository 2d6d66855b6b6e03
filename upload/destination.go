package upload

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/internal/secrets"
	"drayage/internal/usage"
	"drayage/registry"
)

// Destination says where images go: under one name, under a prefix that keeps their own names, or into one
// repository where they keep their tags.
type Destination struct {
	text     string
	prefix   bool
	tagged   bool // text has a tag
	keepsTag bool
	renaming Renaming // below the prefix
	ref      registry.Reference
}

// ParseDestination reads the name of an image, or a prefix of names that ends in / and begins with a
// registry's host.
func ParseDestination(text string) (Destination, error) {
	text = strings.TrimSpace(text)
	d := Destination{text: registry.TrimScheme(text)}
	name := d.text
	if d.prefix = strings.HasSuffix(name, "/"); d.prefix {
		host, _, _ := strings.Cut(name, "/")
		if !strings.ContainsAny(host, ".:") && host != "localhost" {
			return d, usage.Errorf("DEST %q does not begin with a registry's host name: write registry.corp/%s",
				secrets.Redact(text), secrets.Redact(strings.TrimLeft(name, "/")))
		}
		name += "image"
	}
	ref, err := registry.ParseTyped(name)
	if err != nil {
		if _, err := registry.ParseTyped(strings.TrimSuffix(text, "/")); err != nil {
			return d, usage.Errorf("DEST: %v", err)
		}
		return d, usage.Errorf("DEST %q is not the name of an image or a prefix of names that ends in /",
			secrets.Redact(text))
	}
	if ref.Digest != "" {
		return d, usage.Errorf("DEST %q has a digest, which cannot be chosen: give a tag", text)
	}
	d.ref, d.tagged = ref, hasTag(d.text)
	return d, nil
}

// KeepTags makes a destination without a tag that of several images of one repository, which keep their tags
// and digests. It reports whether the destination is one.
func (d Destination) KeepTags() (Destination, bool) {
	d.keepsTag = !d.prefix && !d.tagged
	return d, d.keepsTag
}

// Rename makes a prefix one below which images are called as r says. A name or a renaming that makes no sense
// is a usage error.
func (d Destination) Rename(r Renaming) (Destination, error) {
	if !d.prefix {
		return d, usage.Errorf("DEST %q is one name: to rename images, end it in /", secrets.Redact(d.text))
	}
	d.renaming = r
	return d, r.check()
}

func (d Destination) String() string { return d.text }

// IsPrefix reports whether images keep their own names, so that there may be several.
func (d Destination) IsPrefix() bool { return d.prefix }

// Registry is the name of the registry.
func (d Destination) Registry() string { return d.ref.Registry }

// For is the destination for images with these names: several need a prefix, or have to be tags of one
// repository and go into one, where they keep their tags.
func (d Destination) For(names []registry.Reference) (Destination, error) {
	if d.prefix || len(names) == 1 {
		return d, nil
	}
	others := slices.ContainsFunc(names, func(r registry.Reference) bool { return r.Name() != names[0].Name() })
	kept, ok := d.KeepTags()
	switch {
	case ok && !others:
		return kept, nil
	case !others:
		return d, usage.Errorf("%s is the name of one image, but there are %d: leave out its tag to keep theirs",
			d, len(names))
	}
	return d, usage.Errorf("%s is the name of one image, but there are %d: end DEST in / to keep their names",
		d, len(names))
}

// Place is where the image with a full name goes. If images keep their tags, the name may be the tag alone. A
// name with a digest in place of a tag gets none: the image is pushed by its digest.
func (d Destination) Place(name string) (registry.Reference, error) {
	if d.keepsTag && strings.Contains(name, "@") {
		ref := d.ref
		ref.Tag = ""
		return ref, nil
	}
	if d.keepsTag {
		return registry.ParseReference(d.text + ":" + name[strings.LastIndexByte(name, ':')+1:])
	}
	if !d.prefix {
		return d.ref, nil
	}
	old, err := registry.ParseReference(name)
	if err != nil {
		return old, fmt.Errorf("image name %q: %w", name, err)
	}
	return d.under(d.renaming.of(old))
}

// Placement gives images their places in a registry.
type Placement struct {
	Targets []Target // what has been added, once for each name

	client *registry.Client
	dest   Destination
	taken  map[string]taken // by name with a tag
}

// taken is what goes to a name.
type taken struct {
	image digest.Digest
	label string
}

// NewPlacement returns a placement without images.
func NewPlacement(c *registry.Client, d Destination) *Placement {
	return &Placement{client: c, dest: d, taken: map[string]taken{}}
}

// Add adds an image to the targets. Under a prefix it goes to a place for each of its full names, and needs
// one. If it keeps its tags, it goes to a place for each of them, and needs one. Two images for one place are
// a [CollisionError]: a prefix drops the registry of a name, and of two images that differ in nothing else
// one would be lost. label is the image in messages.
func (p *Placement) Add(t Target, names []string, label string) error {
	if !p.dest.prefix && !p.dest.keepsTag {
		names = []string{""}
	}
	if len(names) == 0 {
		return p.dest.Nameless(label)
	}
	for _, n := range names {
		ref, err := p.dest.Place(n)
		if err != nil {
			return err
		}
		there, err := p.take(ref, taken{t.root(), label})
		if err != nil {
			return err
		}
		if !there {
			t.Repository, t.Tag = p.client.Repository(ref), ref.Tag
			p.Targets = append(p.Targets, t)
		}
	}
	return nil
}

// Nameless is the error about images without a name.
func (d Destination) Nameless(labels string) error {
	return usage.Errorf(
		"image %s has no name: give a full DEST such as %srepository:tag, or %[2]srepository for images "+
			"that have a tag", labels, d)
}

// CollisionError is about two images that would go to one place.
type CollisionError struct {
	First, Second string // the images
	Place         string // name with a tag
}

func (e *CollisionError) Error() string {
	return fmt.Sprintf("%s and %s would both become %s", e.First, e.Second, e.Place)
}

// take reports whether the image goes to ref already.
func (p *Placement) take(ref registry.Reference, im taken) (there bool, err error) {
	if ref.Tag == "" {
		return false, nil // pushed by its digest
	}
	first, there := p.taken[ref.String()]
	if there && first.image != im.image {
		return false, &CollisionError{first.label, im.label, ref.String()}
	}
	if !there {
		p.taken[ref.String()] = im
	}
	return there, nil
}

// root tells whether two targets are the same image.
func (t Target) root() digest.Digest {
	if t.Image != nil {
		return t.Image.Root.Digest
	}
	return t.Saved.ID
}

// Name is where the image goes, in full.
func (t Target) Name() string {
	if t.Tag == "" {
		return t.Repository.Name()
	}
	return t.Repository.Name() + ":" + t.Tag
}

// Referrers returns the targets of what belongs to images that have been pushed: the same repositories, with
// the tags that cosign looks for where it does. What belongs to one of them is in a later part.
func Referrers(pushed []Result) (parts [][]Target) {
	seen, depth := map[string]bool{}, map[digest.Digest]int{}
	for _, r := range pushed {
		if r.Err != nil || r.Converted || r.Target.Image == nil { // they are about the digest that it had
			continue
		}
		repo := r.Target.Repository
		for _, im := range r.Target.Image.Referrers {
			part := depth[im.Subject] // subjects come first
			depth[im.Root.Digest] = part + 1
			if at := repo.Name() + ":" + im.Tag + "@" + im.Root.Digest.String(); !seen[at] {
				seen[at] = true
				for len(parts) <= part {
					parts = append(parts, nil)
				}
				parts[part] = append(parts[part], Target{Repository: repo, Tag: im.Tag, Image: im})
			}
		}
	}
	return parts
}
