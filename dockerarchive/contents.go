package dockerarchive

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
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
}

// Remark is something that the user has to know of an image.
type Remark struct {
	Image digest.Digest // of its manifest or index in Layout, or the ID of a saved image
	Text  string        // goes on after the image's name and a colon
}

// Contents finds out what images there are: those that index.json leads to, those that manifest.json lists,
// or both. It fails if the two give one name to different images.
func (a *Reader) Contents(ctx context.Context) (*Contents, error) { return a.contents(ctx, false) }

func (a *Reader) contents(ctx context.Context, tolerant bool) (*Contents, error) {
	c := &Contents{Faults: map[digest.Digest]error{}, Absent: map[digest.Digest][]image.Absent{}}
	if !a.isLayout() {
		images, err := a.images(ctx, tolerant)
		for _, im := range images {
			c.addSaved(im)
		}
		return c, err
	}
	l, err := a.layout()
	if err != nil {
		return nil, err
	}
	items, err := a.items()
	if err != nil {
		return nil, err
	}
	roots, err := a.survey(ctx, l)
	if err != nil {
		return nil, err
	}
	if err := a.unite(c, roots, items, tolerant); err != nil {
		return nil, err
	}
	return c, c.show(a, roots)
}

// isLayout reports whether there is an index.json to read images by. Some archives are layouts but leave out
// oci-layout, so that containerd reads them by their manifest.json.
func (a *Reader) isLayout() bool {
	switch {
	case !a.tar.Has(v1.ImageIndexFile):
		return false
	case a.tar.Has(v1.ImageLayoutFile):
		return true
	case !a.tar.Has("manifest.json"):
		return false
	}
	l, err := a.layout()
	if err == nil {
		_, err = l.Images()
	}
	return err == nil
}

// layout is the archive as a layout. It bounds what is in index.json.
func (a *Reader) layout() (*layout.Layout, error) {
	raw, err := a.readJSON(v1.ImageIndexFile, maxIndexJSON)
	if err != nil {
		return nil, err
	}
	var index struct {
		Manifests []struct{} `json:"manifests"`
	}
	_ = json.Unmarshal(raw, &index) // layout.New finds what is wrong
	if len(index.Manifests) > maxImages {
		return nil, verify.Mismatchf("index.json has more than %d entries", maxImages)
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
	for _, o := range im.Odd {
		text := fmt.Sprintf("the archive also calls it %q, which is no name of an image and is left out", o)
		c.Remarks = append(c.Remarks, Remark{Image: im.ID, Text: text})
	}
}

// show makes the layout of the images that are not read by manifest.json.
func (c *Contents) show(a *Reader, roots []*root) error {
	files, told := map[string][]byte{}, map[digest.Digest]bool{}
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{}}
	index.SchemaVersion = 2
	for _, r := range toShow(roots) {
		if r.Subject == "" { // a referrer goes only where its subject goes
			if err := r.narrow(); err != nil {
				c.Faults[r.desc.Digest] = err
			} else {
				c.Absent[r.desc.Digest] = r.absent()
			}
		}
		if r.raw != nil {
			files[ociPath(r.desc.Digest)] = r.raw
		}
		if r.remark != nil && !told[r.desc.Digest] {
			told[r.desc.Digest] = true
			c.Remarks = append(c.Remarks, *r.remark)
		}
		index.Manifests = append(index.Manifests, r.entries()...)
	}
	if len(index.Manifests) == 0 && len(c.Saved) > 0 {
		return nil
	}
	raw, err := json.Marshal(index)
	if err != nil {
		return err
	}
	files[v1.ImageIndexFile] = raw
	c.Layout, err = layout.New(tarfs.Overlay(a.layoutFS(), files))
	return err
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
