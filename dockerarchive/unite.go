package dockerarchive

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/limits"
	"drayage/internal/tarfs"
	"drayage/layout"
)

// union brings together what index.json and manifest.json say about the images of an archive.
type union struct {
	archive  *Reader
	contents *Contents
	byName   map[string][]*root        // entries of index.json, without referrers
	byConfig map[digest.Digest][]*root // all entries
	held     int                       // bytes of configurations
	tolerant bool
}

// unite gives the names of manifest.json to the images of index.json. It reads an image by manifest.json if
// index.json does not have it, or does not have it as a registry would.
func (a *Reader) unite(c *Contents, roots []*root, items []manifestItem, tolerant bool) error {
	u := &union{archive: a, contents: c, tolerant: tolerant}
	u.byName, u.byConfig = map[string][]*root{}, map[digest.Digest][]*root{}
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
	if r.Name != "" && r.owner == nil {
		u.byName[r.Name] = append(u.byName[r.Name], r)
	}
	for _, l := range r.leaves {
		if c := l.config; c != "" && !slices.Contains(u.byConfig[c], r) {
			u.byConfig[c] = append(u.byConfig[c], r)
		}
	}
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
	rebuilt := func(r *root) bool { return r.plain() && item.LayerSources.rebuilt() }
	covers := which(u.byConfig[id], func(r *root) bool { return r.has(id, true) && r.whole() && !rebuilt(r) })
	if same := which(covers, func(r *root) bool { return r.consistsOf(item) }); len(same) > 0 {
		covers = same // artifacts share the empty configuration
	}
	if len(covers) > 0 {
		name(covers, names)
		covers[0].odd = append(covers[0].odd, odd...)
		return nil
	}
	instead := which(u.byConfig[id], func(r *root) bool { return rebuilt(r) || !r.whole() })
	for _, n := range names {
		for _, r := range u.byName[n] {
			if !r.whole() && !slices.Contains(instead, r) {
				instead = append(instead, r)
			}
		}
	}
	if slices.ContainsFunc(instead, (*root).damaged) {
		return nil // manifest.json may hide what is damaged
	}
	return u.save(item, instead)
}

// save reads an image by manifest.json, instead of the given ones of index.json.
func (u *union) save(item manifestItem, instead []*root) error {
	im, err := u.archive.read(item, u.tolerant)
	faulty := err != nil || slices.ContainsFunc(im.Absent, image.Absent.IsFault)
	if faulty && slices.ContainsFunc(instead, func(r *root) bool { return !r.whole() }) {
		return nil // neither file leads to all of the image, and the entry of index.json tells what is missing
	}
	if err != nil {
		return err
	}
	if u.held += len(im.Config); u.held > limits.Configs {
		return fmt.Errorf("the configurations take more than %d bytes", limits.Configs)
	}
	for _, r := range instead {
		if r.Name != "" && !slices.Contains(im.Names, r.Name) && !r.superseded {
			im.Names = append(im.Names, r.Name)
		}
		if !r.superseded && !r.whole() {
			u.contents.Remarks = append(u.contents.Remarks, Remark{Image: im.ID,
				Text: "not all of what index.json says of it is in the archive: " +
					"it is read by manifest.json, and has another manifest and digest"})
		}
		r.superseded, r.saved = true, im.ID
	}
	u.contents.addSaved(im)
	return nil
}

// contradiction refuses a name that index.json gives to another image: engines differ in what they read.
func (u *union) contradiction(id digest.Digest, names []string) error {
	for _, n := range names {
		same := u.byName[n]
		agrees := func(r *root) bool { return r.has(id, false) || !r.whole() }
		if len(same) > 0 && !slices.ContainsFunc(same, agrees) {
			return fmt.Errorf("archive is ambiguous: %q is %s in index.json and another image, with the ID %s, "+
				"in manifest.json: %w", n, same[0].desc.Digest, id, ErrIntegrity)
		}
	}
	return nil
}

func which[T any](all []T, is func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(all), func(one T) bool { return !is(one) })
}

// name gives an entry without a name, or else the first, those names that no entry of the image has yet.
func name(roots []*root, names []string) {
	to := roots[0]
	if i := slices.IndexFunc(roots, func(r *root) bool { return r.Name == "" }); i >= 0 {
		to = roots[i]
	}
	for _, n := range names {
		if !slices.ContainsFunc(roots, func(r *root) bool { return r.Name == n || slices.Contains(r.names, n) }) {
			to.names = append(to.names, n)
		}
	}
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

// consistsOf reports whether one of its images has the layers of an item, which name their digests.
func (r *root) consistsOf(item manifestItem) bool {
	return slices.ContainsFunc(r.leaves, func(l leaf) bool {
		return slices.EqualFunc(l.layers, item.Layers, func(d v1.Descriptor, p string) bool {
			return tarfs.Clean(p) == ociPath(d.Digest)
		})
	})
}

// entries lists what an index.json has for the image: one entry for each name.
func (r *root) entries() []layout.Image {
	im := r.Image
	im.Descriptor = r.desc
	all := []layout.Image{im}
	for i, n := range slices.Sorted(slices.Values(r.names)) {
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
