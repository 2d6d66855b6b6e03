package source

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"drayage/internal/kind"
	"drayage/internal/pattern"
	"drayage/internal/usage"
	"drayage/layout"
	"drayage/registry"
)

// rule reports whether an image that has names and an identity, a digest or an image ID, is meant.
type rule func(names []string, id string) bool

// shortDigest matches the beginning of a digest as lists show it.
var shortDigest = regexp.MustCompile(`^(?:sha(?:256|512):)?[0-9a-f]{12,}$`)

// rules are how a name in a SOURCE finds images, the strictest first: by the name as it is written, by the
// full name that engines make of it, by the end of a name from a slash on, and by the beginning of a digest.
func rules(name string) []rule {
	full := name
	if ref, err := registry.ParseReference(name); err == nil {
		full = ref.String()
	}
	ends := []string{"/" + name}
	if !strings.ContainsAny(name[strings.LastIndexByte(name, '/')+1:], ":@") {
		ends = append(ends, "/"+name+":latest")
	}
	all := []rule{
		func(names []string, id string) bool {
			return slices.Contains(names, name) || id == name || id == "sha256:"+name
		},
		func(names []string, _ string) bool { return slices.Contains(names, full) },
		func(names []string, _ string) bool {
			return slices.ContainsFunc(names, func(n string) bool {
				return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(n, end) })
			})
		},
	}
	if ref, err := registry.ParseReference(name); err == nil && ref.Digest != "" {
		all = append(all, pinnedTo(ref))
	}
	if shortDigest.MatchString(name) {
		all = append(all, func(_ []string, id string) bool {
			_, hex, _ := strings.Cut(id, ":")
			return strings.HasPrefix(id, name) || strings.HasPrefix(hex, name)
		})
	}
	return all
}

// pinnedTo is the rule for REPOSITORY@DIGEST: the digest decides, and any name in the repository will do.
func pinnedTo(ref registry.Reference) rule {
	end := "/" + strings.TrimPrefix(ref.Repository, "library/")
	return func(names []string, id string) bool {
		return id == ref.Digest.String() && slices.ContainsFunc(names, func(n string) bool {
			own, err := registry.ParseReference(n)
			return err == nil && (own.Name() == ref.Name() || strings.HasSuffix(own.Name(), end))
		})
	}
}

// asPinned makes one of several names of an image that was asked for by its digest: the one with the tag that
// was asked for too, or else the digest itself.
func asPinned(found []*Image, name string) []*Image {
	ref, err := registry.ParseReference(name)
	if err != nil || ref.Digest == "" || len(found) == 0 {
		return found
	}
	for _, im := range found {
		if im.Digest() != ref.Digest || len(im.Names) == 0 {
			return found
		}
		if own, err := registry.ParseReference(im.Names[0]); err == nil && own.Tag != "" && own.Tag == ref.Tag {
			return []*Image{im}
		}
	}
	one := *found[0]
	one.Label = one.At(ref.Digest)
	one.Names = []string{one.Label}
	return []*Image{&one}
}

// Match returns the places of the entries of a layout that a name means. They are several if the name is
// ambiguous. Referrers are meant only where no image is.
func Match(all []layout.Image, name string) (at []int) {
	if name == "" {
		return nil
	}
	for _, is := range rules(name) {
		if at = matching(all, is); len(at) > 0 {
			return at
		}
	}
	return nil
}

// matching lists the entries that a rule finds: images, or else referrers, which may carry an image's name.
func matching(all []layout.Image, is rule) (at []int) {
	var referrers []int
	for i, im := range all {
		switch {
		case !is([]string{im.Name, im.Ref}, im.Descriptor.Digest.String()):
		case im.Subject == "":
			at = append(at, i)
		default:
			referrers = append(referrers, i)
		}
	}
	if len(at) == 0 {
		return referrers
	}
	return at
}

// choose returns the images that the name in the SOURCE means. Without a name it returns all images, with
// referrers among them only if they were asked for.
func (s *Set) choose(stored []layout.Image, saved []*Image, referrers bool) ([]*Image, error) {
	name := s.Spec.Name
	if name == "" {
		if !referrers {
			stored = images(stored)
		}
		return slices.Concat(s.storedImages(stored), saved), nil
	}
	for _, is := range rules(name) {
		var found []*Image
		for _, i := range matching(stored, is) {
			found = append(found, s.storedImage(stored[i]))
		}
		found = asPinned(append(found, named(saved, is)...), name)
		if len(found) > 1 {
			return nil, usage.Errorf("%q means several images: %s", name, Labels(found))
		}
		if len(found) > 0 {
			return found, nil
		}
	}
	what := "archive"
	if len(saved) == 0 && s.Layout != nil {
		what = "layout"
	} else {
		stored = images(stored)
	}
	have := Labels(slices.Concat(s.storedImages(stored), saved))
	return nil, kind.Errorf(registry.ErrNotFound, "the %s has no image %q; it has: %s", what, name, have)
}

// images are the entries of an index that belong to no others.
func images(entries []layout.Image) []layout.Image {
	return slices.DeleteFunc(slices.Clone(entries), func(e layout.Image) bool { return e.Subject != "" })
}

func (s *Set) storedImages(entries []layout.Image) (all []*Image) {
	for _, e := range entries {
		all = append(all, s.storedImage(e))
	}
	return all
}

// named returns the saved images that a rule finds. One that is found by a name keeps that name alone, and
// several images that have one name are told apart by nothing: the first is taken.
func named(saved []*Image, is rule) (found []*Image) {
	seen := map[string]bool{}
	for _, im := range saved {
		names := slices.Clone(im.Names)
		for _, n := range names {
			if is([]string{n}, "") && !seen[n] {
				seen[n] = true
				one := *im
				only := *im.Saved
				only.Names = []string{n}
				one.Names, one.Label, one.Saved = only.Names, n, &only
				found = append(found, &one)
			}
		}
		if id := im.Saved.ID.String(); is(nil, id) && !seen[id] {
			seen[id] = true
			found = append(found, im)
		}
	}
	return found
}

// Choose returns the places of the entries of a layout that names and patterns mean. A name has to mean one
// image, and a pattern at least one. A digest means all names of its image.
func Choose(all []layout.Image, names []string) (at []int, err error) {
	for _, name := range names {
		var found []int
		if pattern.IsGlob(name) {
			found = globbed(all, name)
		} else if found = Match(all, name); !oneImage(all, found) {
			return nil, usage.Errorf("%q means several images: %s", name, labels(all, found))
		}
		if len(found) == 0 {
			return nil, kind.Errorf(registry.ErrNotFound, "the layout has no image %q; it has: %s", name,
				labels(all, globbed(all, "*")))
		}
		at = append(at, found...)
	}
	slices.Sort(at)
	return slices.Compact(at), nil
}

// oneImage reports whether entries are one image: one of them, or all those of one digest.
func oneImage(all []layout.Image, at []int) bool {
	for _, i := range at {
		if all[i].Descriptor.Digest != all[at[0]].Descriptor.Digest {
			return false
		}
	}
	return true
}

// globbed lists the images that a pattern matches, by their full name, as Docker Hub's names are typed, or by
// their digest.
func globbed(all []layout.Image, glob string) (at []int) {
	is := pattern.Glob(glob)
	for i, im := range all {
		short := strings.TrimPrefix(strings.TrimPrefix(im.Name, "docker.io/"), "library/")
		names := []string{im.Label(), short, im.Descriptor.Digest.String()}
		if im.Subject == "" && slices.ContainsFunc(names, is) {
			at = append(at, i)
		}
	}
	return at
}

// labels lists entries for a message.
func labels(all []layout.Image, at []int) string {
	var names []string
	for _, i := range at {
		names = append(names, cmp.Or(all[i].Label(), all[i].Descriptor.Digest.String()))
	}
	return List(names)
}

// ChooseOne returns the place of the one image of a layout that a name means. If the name is empty, the
// layout must have one image.
func ChooseOne(all []layout.Image, name string) ([]int, error) {
	one := cmp.Or(name, "*")
	at, err := Choose(all, []string{one})
	if err == nil && !oneImage(all, at) {
		err = usage.Errorf("there are several images: %s: choose one by its name", labels(all, at))
	}
	return at, err
}
