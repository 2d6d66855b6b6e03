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
	// Layout holds the images that travel byte for byte, with the names that index.json and manifest.json give them. It reads
	// from the archive in place. Of an image of which only some platforms are there it shows these. It is nil
	// if there is no such image.
	Layout *layout.Layout

	// Saved are images of which only manifest.json knows how to read them, in its order: Docker since 25 saves layers
	// uncompressed, with manifests that no registry ever had.
	Saved []SavedImage

	// Remarks say what is shown otherwise than the archive has it.
	Remarks []Remark

	// Faults say of images in Layout, by the digest of their manifest or index, what is missing or damaged. Others can be used.
	Faults map[digest.Digest]error
}

// Remark is something that the user has to know of an image.
type Remark struct {
	Image  digest.Digest  // of its manifest or index in Layout, or the ID of a saved image
	Text   string         // goes on after the image's name and a colon
	Absent []image.Absent // what the archive lacks of what its index leads to
}

// Contents finds out what images there are: those that index.json leads to, those that manifest.json lists, or both. An archive in
// which the two give a name to different images is an error.
func (a *Reader) Contents(ctx context.Context) (*Contents, error) { return a.contents(ctx, false) }

func (a *Reader) contents(ctx context.Context, tolerant bool) (*Contents, error) {
	if !a.isLayout() {
		images, err := a.images(ctx, tolerant)
		c := &Contents{}
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
	c := &Contents{Faults: map[digest.Digest]error{}}
	if err := a.unite(c, roots, items, tolerant); err != nil {
		return nil, err
	}
	return c, c.show(a, roots)
}

// isLayout reports whether there is an index.json to read images by. Some archives leave out oci-layout, so that containerd reads them by
// their manifest.json, and are layouts all the same.
func (a *Reader) isLayout() bool {
	if !a.tar.Has(v1.ImageIndexFile) || a.tar.Has(v1.ImageLayoutFile) {
		return a.tar.Has(v1.ImageIndexFile)
	}
	if !a.tar.Has("manifest.json") {
		return false
	}
	l, err := a.layout()
	if err == nil {
		_, err = l.Images()
	}
	return err == nil
}

// layout is the archive as a layout, if there is no more in its index.json than that of an archive may have.
func (a *Reader) layout() (*layout.Layout, error) {
	raw, err := a.readJSON(v1.ImageIndexFile, maxIndexJSON)
	if err != nil {
		return nil, err
	}
	var index struct {
		Manifests []struct{} `json:"manifests"`
	}
	if _ = json.Unmarshal(raw, &index); len(index.Manifests) > maxImages { // whatever else is wrong, the layout says
		return nil, verify.Mismatchf("index.json has more than %d entries", maxImages)
	}
	return layout.New(a.layoutFS())
}

// layoutFS is the archive as a layout: with an oci-layout.
func (a *Reader) layoutFS() fs.FS {
	if a.tar.Has(v1.ImageLayoutFile) {
		return a.FS()
	}
	return tarfs.Overlay(a.FS(), map[string][]byte{v1.ImageLayoutFile: []byte(`{"imageLayoutVersion":"` + v1.ImageLayoutVersion + `"}`)})
}

// addSaved takes in an image that is read by manifest.json.
func (c *Contents) addSaved(im SavedImage) {
	c.Saved = append(c.Saved, im)
	for _, o := range im.Odd {
		c.Remarks = append(c.Remarks, Remark{Image: im.ID, Text: fmt.Sprintf("the archive also calls it %q, which is no name of an image and is left out", o)})
	}
}

// show makes the layout of the images that are not read by manifest.json.
func (c *Contents) show(a *Reader, roots []*root) error {
	files, told := map[string][]byte{}, map[digest.Digest]bool{}
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{}}
	index.SchemaVersion = 2
	named := map[digest.Digest]bool{}
	for _, r := range roots {
		named[r.desc.Digest] = named[r.desc.Digest] || r.isNamed() && r.Subject == ""
	}
	for _, r := range roots {
		if r.superseded || named[r.desc.Digest] && !r.isNamed() && r.Subject == "" {
			continue // the second only repeats what another entry names
		}
		if s := c.root(r); s != nil {
			if s.raw != nil {
				files[ociPath(s.desc.Digest)] = s.raw
			}
			if !told[s.desc.Digest] {
				c.Remarks = append(c.Remarks, s.remark)
			}
			told[s.desc.Digest] = true
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

// root notes what is wrong with an image, and changes it to what of it is there.
func (c *Contents) root(r *root) *partial {
	if r.Subject != "" {
		return nil // it goes only where what it belongs to goes
	}
	s, err := r.shown()
	if err != nil {
		c.Faults[r.desc.Digest] = err
		return nil
	}
	if s != nil {
		r.desc.MediaType, r.desc.Digest, r.desc.Size, r.desc.Platform = s.desc.MediaType, s.desc.Digest, s.desc.Size, nil
	}
	return s
}
