package dockerarchive

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"drayage/image"
	"drayage/internal/limits"
	"drayage/internal/tarfs"
	"drayage/internal/verify"
	"drayage/layout"
)

// union brings together what index.json and manifest.json say about the images of an archive.
type union struct {
	archive  *Reader
	contents *Contents
	byName   map[string]*broken // entries of index.json, without referrers
	carries  map[[2]string]bool // names with configurations that they have there
	alike    map[likeness]*alike
	held     int // bytes of configurations
	tolerant bool
}

// unite gives the names of manifest.json to the images of index.json. It reads an image by manifest.json if
// index.json does not have it, or does not have it as a registry would.
func (a *Reader) unite(c *Contents, roots []*root, items []manifestItem, tolerant bool) error {
	u := &union{archive: a, contents: c, tolerant: tolerant}
	u.byName, u.carries, u.alike = map[string]*broken{}, map[[2]string]bool{}, map[likeness]*alike{}
	for _, r := range roots {
		u.enter(r)
	}
	for i, item := range items {
		if err := u.take(item); err != nil {
			return fmt.Errorf("image %d of %d in manifest.json: %w", i+1, len(items), err)
		}
	}
	if tolerant {
		return nil
	}
	return a.checkPaths(c.Saved)
}

func (u *union) enter(r *root) {
	whole := r.whole()
	if r.Name != "" && r.owner == nil {
		if u.byName[r.Name] == nil {
			u.byName[r.Name] = &broken{first: r}
		}
		if !whole {
			u.byName[r.Name].enter(r)
		}
	}
	for _, l := range which(r.leaves, func(l leaf) bool { return l.config != "" }) {
		if r.owner == nil {
			u.carries[[2]string{r.Name, string(l.config)}] = true
		}
		for _, rebuilt := range []bool{false, true} {
			switch any := u.like(likeness{config: l.config, rebuilt: rebuilt}); {
			case !whole || rebuilt && r.plain() && l.inside():
				any.broken.enter(r)
			case l.whole():
				any.enter(r)
				u.like(likeness{l.config, l.paths, rebuilt}).enter(r)
			}
		}
	}
}

func (u *union) like(l likeness) *alike {
	if u.alike[l] == nil {
		u.alike[l] = &alike{}
	}
	return u.alike[l]
}

func (u *union) take(item manifestItem) error {
	id, err := u.archive.itemID(item)
	if err != nil && !u.tolerant {
		return err
	}
	names, odd := fullNames(item.RepoTags)
	if err := u.contradiction(id, names); id != "" && err != nil {
		return err
	}
	like := likeness{id, hashOf(item.Layers, tarfs.Clean), item.LayerSources.rebuilt()}
	about := u.alike[like]
	if like.layers = ""; about == nil {
		about = u.like(like)
	}
	if r := about.first; r != nil {
		about.name(names, odd)
		if like.rebuilt && r.plain() {
			u.contents.Uncompressed[r.desc.Digest] = true
		}
		return nil
	}
	instead := []*broken{&about.broken}
	for _, n := range names {
		if same := u.byName[n]; same != nil {
			instead = append(instead, same)
		}
	}
	if slices.ContainsFunc(instead, func(b *broken) bool { return b.damaged }) {
		return nil // manifest.json may hide what is damaged
	}
	return u.save(item, instead)
}

// save reads an image by manifest.json, instead of the given ones of index.json.
func (u *union) save(item manifestItem, instead []*broken) error {
	im, err := u.archive.read(item, nil, u.tolerant)
	faulty := err != nil || slices.ContainsFunc(im.Absent, image.Absent.IsFault)
	if faulty && slices.ContainsFunc(instead, func(b *broken) bool { return b.lacking }) {
		return nil // neither file leads to all of the image, and the entry of index.json tells what is missing
	}
	if err != nil {
		return err
	}
	if u.held += len(im.Config); u.held > limits.Configs {
		return fmt.Errorf("the configurations take more than %d bytes", limits.Configs)
	}
	for _, b := range instead {
		for _, r := range b.roots {
			if r.superseded {
				continue
			}
			im.Names = append(im.Names, r.Name)
			if r.superseded, r.saved = true, im.ID; !r.whole() {
				u.contents.Remarks = append(u.contents.Remarks, Remark{Image: im.ID,
					Text: "not all of what index.json says of it is in the archive: " +
						"it is read by manifest.json, and has another manifest and digest"})
			}
		}
		b.roots = nil
	}
	im.Names, _ = fullNames(im.Names)
	u.contents.addSaved(im)
	return nil
}

// contradiction refuses a name that index.json gives to another image: engines differ in what they read.
func (u *union) contradiction(id digest.Digest, names []string) error {
	for _, n := range names {
		same := u.byName[n]
		if same != nil && !same.lacking && !u.carries[[2]string{n, string(id)}] {
			return verify.Mismatchf("archive is ambiguous: %q is %s in index.json and another image, with the ID %s, "+
				"in manifest.json", n, same.first.desc.Digest, id)
		}
	}
	return nil
}

func which[T any](all []T, is func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(all), func(one T) bool { return !is(one) })
}

// itemID is the digest of the configuration. A digest that the name of the file promises is checked later.
func (a *Reader) itemID(item manifestItem) (digest.Digest, error) {
	if d, ok := namedDigest(item.Config); ok {
		return d, nil
	}
	raw, err := a.tar.Read(item.Config, limits.Configs)
	if err != nil {
		return "", fmt.Errorf("configuration: %w", err)
	}
	return digest.FromBytes(raw), nil
}

// entries lists what an index.json has for the image: one entry for each name.
func (r *root) entries() []layout.Image {
	im := r.Image
	im.Descriptor = r.desc
	all := []layout.Image{im}
	for i, n := range slices.Compact(slices.Sorted(slices.Values(r.names))) {
		_, tag, _ := splitName(n)
		if i == 0 && r.Name == "" {
			all[0].Name, all[0].Ref = n, cmp.Or(r.Ref, tag)
			continue
		}
		im.Name, im.Ref, im.Annotations = n, tag, nil
		all = append(all, im)
	}
	return all
}
