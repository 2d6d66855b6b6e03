package dockerarchive

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/limits"
	"drayage/internal/tarfs"
	"drayage/internal/verify"
	"drayage/layout"
)

// Contents is what an archive holds. No image is in it twice.
type Contents struct {
	// Layout holds the images that travel byte for byte, with the names that index.json and manifest.json give
	// them. It reads from the archive in place. If only some platforms of an image are there, it shows the image
	// with those platforms only. It is nil if there is no such image.
	Layout *layout.Layout

	// Saved are the images that are read by manifest.json, in its order. Docker since 25 saves layers
	// uncompressed, with manifests that no registry ever had.
	Saved []SavedImage

	// Remarks tell what of the archive was left out or changed in Layout and Saved.
	Remarks []Remark

	// Faults tell what is missing or damaged of images in Layout, by the digest of their manifest or index. All
	// other images can be used.
	Faults map[digest.Digest]error

	// Absent tells what the archive lacks on purpose of what an image in Layout leads to, by the digest of the
	// manifest or index: [image.OtherPlatform] and [image.LeftOut].
	Absent map[digest.Digest][]image.Absent

	// Uncompressed has the digests of images in Layout that would be among Saved if nothing of them had been
	// left out: their manifests were made for images of a docker tar.
	Uncompressed map[digest.Digest]bool

	tolerant bool
}

// Remark is something that the user has to know of an image.
type Remark struct {
	Image digest.Digest // of its manifest or index in Layout, or the ID of a saved image; empty: of none
	Text  string        // goes on after the image's name and a colon
}

// Contents finds out what images there are: those that index.json leads to, those that manifest.json lists,
// or both. It fails if the two give one name to different images.
func (a *Reader) Contents(ctx context.Context) (*Contents, error) { return a.contents(ctx, false) }

func newContents(tolerant bool) *Contents {
	return &Contents{
		Faults: map[digest.Digest]error{}, Absent: map[digest.Digest][]image.Absent{},
		Uncompressed: map[digest.Digest]bool{}, tolerant: tolerant,
	}
}

func (a *Reader) contents(ctx context.Context, tolerant bool) (*Contents, error) {
	c := newContents(tolerant)
	l, err := a.Layout()
	if err != nil {
		return nil, err
	}
	if l == nil {
		images, err := a.images(ctx, tolerant)
		for _, im := range images {
			c.addSaved(im)
		}
		return c, err
	}
	items, err := a.items()
	if err != nil {
		return nil, err
	}
	roots, err := a.survey(ctx, l, c)
	if err != nil {
		return nil, err
	}
	if a.tar.Fault() != nil { // what one file lacks may be lost, and the other does not stand for it
		c.show(l, roots, false)
		return c, nil
	}
	if err := a.unite(c, roots, items, tolerant); err != nil {
		return nil, err
	}
	document, err := l.DeltaDocument()
	if err != nil {
		return nil, err
	}
	c.show(l, roots, a.HasItems() && document == "")
	return c, nil
}

// Layout returns the layout that index.json describes, with all entries as they stand there. It is nil if the
// archive is read by its manifest.json alone.
func (a *Reader) Layout() (*layout.Layout, error) {
	if !a.isLayout() {
		return nil, nil
	}
	return a.layout()
}

// HasItems reports whether the archive has a manifest.json.
func (a *Reader) HasItems() bool { return a.tar.Has("manifest.json") }

// isLayout reports whether there is an index.json to read images by. Some archives are layouts but leave out
// oci-layout, so that containerd reads them by their manifest.json.
func (a *Reader) isLayout() bool {
	switch {
	case !a.tar.Has(v1.ImageIndexFile):
		return false
	case a.tar.Has(v1.ImageLayoutFile):
		return true
	case !a.HasItems():
		_, err := layout.New(a.tar)
		return err == nil
	}
	l, err := a.layout()
	if err == nil {
		_, err = l.Images()
	}
	return err == nil
}

// layout is the archive as a layout. It bounds what is in index.json.
func (a *Reader) layout() (*layout.Layout, error) {
	raw, err := a.readJSON(v1.ImageIndexFile, limits.ArchiveJSON)
	if err != nil {
		return nil, err
	}
	var index struct {
		Manifests []struct{} `json:"manifests"`
	}
	_ = json.Unmarshal(raw, &index) // layout.New finds what is wrong
	if len(index.Manifests) > limits.Images {
		return nil, verify.Mismatchf("index.json has more than %d entries", limits.Images)
	}
	return layout.New(a.layoutFS())
}

func (a *Reader) layoutFS() fs.FS {
	if a.tar.Has(v1.ImageLayoutFile) {
		return a.tar
	}
	version := []byte(`{"imageLayoutVersion":"` + v1.ImageLayoutVersion + `"}`)
	return tarfs.Overlay(a.tar, map[string][]byte{v1.ImageLayoutFile: version})
}

func (c *Contents) addSaved(im SavedImage) {
	c.Saved = append(c.Saved, im)
	c.remarkOdd(im.ID, im.Odd)
}

// remarkOdd tells that something else stands in the place of names.
func (c *Contents) remarkOdd(d digest.Digest, odd []string) {
	if len(odd) == 0 {
		return
	}
	quoted := make([]string, len(odd))
	for i, o := range odd {
		quoted[i] = fmt.Sprintf("%.200q", o)
	}
	text := fmt.Sprintf("the archive also calls it %s, which is no name of an image and is left out",
		shortened(quoted, ", "))
	c.Remarks = append(c.Remarks, Remark{Image: d, Text: text})
}

// remarkStrays tells which entries of index.json are no images.
func (c *Contents) remarkStrays(strays []*root) {
	var all []string
	for _, r := range strays {
		all = append(all, fmt.Sprintf("%.100q %s", r.Descriptor.MediaType, r.Descriptor.Digest))
	}
	if len(all) > 0 {
		c.Remarks = append(c.Remarks, Remark{Text: "index.json also lists what is no manifest, and that " +
			"stays behind: " + shortened(all, ", ")})
	}
}

// show makes the layout of the images that are not read by manifest.json, if there is one. Engines save what
// they happen to have, and always write a manifest.json: it shows of an image only the platforms that are
// there. To who looks for faults, all else that is absent is one: byEngine says whether an engine may have
// made the archive. None makes thin ones.
func (c *Contents) show(l *layout.Layout, roots []*root, byEngine bool) {
	made, stay := map[digest.Digest][]byte{}, map[*root]bool{} // referrers that stay behind
	var images []layout.Image
	shown, firsts := toShow(roots), map[string]*root{} // the first name of each image
	for _, r := range shown {
		switch {
		case c.tolerant && (r.owner != nil || !byEngine):
		case r.owner != nil:
			stay[r] = !r.complete()
		default:
			if same := firsts[r.key()]; same != nil && len(same.leaves) == len(r.leaves) {
				if same.remark != nil {
					r.desc, r.raw, r.kept, r.remark = same.desc, same.raw, same.kept, same.remark
				}
				continue
			}
			firsts[r.key()] = r
			if err := r.narrow(); err != nil {
				c.Faults[r.desc.Digest] = err
			} else if absent := r.absent(); len(absent) > 0 {
				c.Absent[r.desc.Digest] = absent
			}
		}
	}
	if !c.tolerant {
		markLost(roots, stay)
	}
	c.leaveOut(shown)
	for _, r := range shown {
		if r.raw != nil {
			made[r.desc.Digest] = r.raw
		}
		if !stay[r] {
			images = append(images, r.entries()...)
		}
	}
	c.remark(roots, stay)
	if len(images) > 0 || len(c.Saved) == 0 {
		c.Layout = l.With(images, made)
	}
}

// leaveOut enters what was left out of images on purpose, also where nothing else of them was looked at.
func (c *Contents) leaveOut(roots []*root) {
	for _, r := range roots {
		if _, known := c.Absent[r.desc.Digest]; known {
			continue
		}
		left := r.absent()
		if slices.ContainsFunc(left, func(a image.Absent) bool { return a.Reason != image.LeftOut }) {
			left = which(left, func(a image.Absent) bool { return a.Reason == image.LeftOut })
		}
		if len(left) > 0 {
			c.Absent[r.desc.Digest] = left
		}
	}
}

// markLost adds the referrers of what does not travel to those that stay behind, and theirs in turn: of what
// something else stands for now, of platforms that are not whole, and of other referrers.
func markLost(roots []*root, stay map[*root]bool) {
	travels := map[digest.Digest]bool{}
	for _, r := range roots {
		switch {
		case stay[r] || r.superseded:
			continue
		case r.desc.Digest == r.Descriptor.Digest:
			r.kept = r.all()
		}
		for _, d := range r.kept {
			travels[d] = true
		}
	}
	w := newWaiting(roots)
	for _, r := range roots {
		for _, lost := range w.take(which(r.all(), func(d digest.Digest) bool { return !travels[d] })...) {
			stay[lost] = true
		}
	}
}

// remark tells what stands for an image, and which of its referrers stay behind whatever the user asks for.
func (c *Contents) remark(roots []*root, stay map[*root]bool) {
	lost := map[digest.Digest][]string{}
	for _, r := range roots {
		if stay[r] && r.owner != nil {
			d := r.owner.Descriptor.Digest
			lost[d] = append(lost[d], r.Descriptor.Digest.String())
		}
	}
	told := map[digest.Digest]bool{}
	for _, r := range roots {
		about := cmp.Or(r.saved, r.desc.Digest)
		if told[about] || r.part {
			continue
		}
		told[about] = true
		if n := r.Annotations[layout.AnnotationName]; n != "" && r.Name == "" {
			r.odd = append(r.odd, n)
		}
		c.remarkOdd(about, r.odd)
		if r.remark != nil && !r.superseded {
			c.Remarks = append(c.Remarks, *r.remark)
		}
		if all := lost[r.Descriptor.Digest]; len(all) > 0 {
			c.Remarks = append(c.Remarks, Remark{Image: about, Text: fmt.Sprintf("%d referrers stay behind, "+
				"because they or what they belong to are not as they were in the %s: %s",
				len(all), r.place, shortened(all, ", "))})
		}
	}
}

// toShow leaves out what is read by manifest.json, and entries without a name for what another entry names.
func toShow(roots []*root) []*root {
	named := map[digest.Digest]bool{}
	for _, r := range roots {
		named[r.desc.Digest] = named[r.desc.Digest] || r.isNamed() && r.Subject == ""
	}
	return which(roots, func(r *root) bool {
		return !r.superseded && (r.isNamed() || r.Subject != "" || !named[r.desc.Digest])
	})
}
