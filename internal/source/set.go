package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/kind"
	"drayage/internal/usage"
	"drayage/internal/volume"
	"drayage/layout"
	"drayage/registry"
)

// Set is what a SOURCE holds.
type Set struct {
	Spec    Spec
	Images  []*Image // those that SOURCE means
	Remarks []Remark // about these images

	Layout  *layout.Layout        // what images are read from; nil if they all are in a docker tar or a registry
	Archive *dockerarchive.Reader // nil unless SOURCE is an archive that is not read in one pass
	Pass    *dockerarchive.Pass   // brings the blobs of an archive that is read in one pass; or nil

	Volumes *volume.Files // of an archive in volumes; else nil
	Gap     error         // why of an archive in volumes only a part could be read; see Options.Partial

	bySet     bool   // a set file was found, or several
	Unchecked string // the signature of the set file, if there is one and nobody asked for it

	content   image.Source                     // of Layout
	referrers map[digest.Digest][]layout.Image // what Layout holds, by the manifest that it belongs to
	absent    map[digest.Digest][]image.Absent // what SOURCE lacks on purpose, by image
	in        *input                           // of an archive
	closes    []func() error
	loads     loads
}

// Forget drops what is known of the set, for callers that have loaded what they need: only the content of
// loaded images can still be read, until the set is closed. There may be very many images.
func (s *Set) Forget() { *s = Set{Spec: s.Spec, Archive: s.Archive, Pass: s.Pass, closes: s.closes} }

// Remark is something that users should know of an image.
type Remark struct {
	Image *Image // nil: it is about SOURCE
	Text  string // goes on after the image's label and a colon
}

// Close releases the files of the set.
func (s *Set) Close() {
	for _, f := range slices.Backward(s.closes) {
		f()
	}
	s.closes = nil
}

// take makes the set of those of the contents that SOURCE means.
func (s *Set) take(c *dockerarchive.Contents, opts Options) error {
	if s.Layout = c.Layout; opts.Blobs {
		return nil
	}
	if s.Layout != nil {
		s.content = s.Layout.Content()
	}
	stored, err := s.entries()
	if err != nil {
		return err
	}
	var saved []*Image
	for i := range c.Saved {
		saved = append(saved, s.savedImage(&c.Saved[i]))
	}
	if s.Images, err = s.choose(stored, saved, opts.Referrers); err != nil {
		return err
	}
	s.Remarks, s.absent = nil, c.Absent
	for _, im := range s.Images {
		im.Fault, im.NotHere = c.Faults[im.Digest()], c.Absent[im.Digest()]
		im.uncompressed = c.Uncompressed[im.Digest()]
	}
	about := map[digest.Digest]*Image{} // the first of several names
	for _, im := range slices.Backward(s.Images) {
		about[im.Digest()] = im
	}
	for _, r := range c.Remarks {
		if im := about[r.Image]; im != nil || r.Image == "" && s.Spec.Name == "" {
			s.Remarks = append(s.Remarks, Remark{im, r.Text})
		}
	}
	return nil
}

// entries reads the index of the layout, if there is one.
func (s *Set) entries() ([]layout.Image, error) {
	s.referrers = map[digest.Digest][]layout.Image{}
	if s.Layout == nil {
		return nil, nil
	}
	all, err := s.Layout.Images()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, kind.Errorf(registry.ErrNotFound, "the layout holds no image")
	}
	for _, e := range all {
		if e.Subject != "" {
			s.referrers[e.Subject] = append(s.referrers[e.Subject], e)
		}
	}
	return all, nil
}

// Fault returns what is wrong with the first image that is not whole.
func (s *Set) Fault() error {
	for _, im := range s.Images {
		if im.Fault != nil {
			return fmt.Errorf("%s: %w", im.Label, im.Fault)
		}
	}
	return nil
}

// CheckPlatforms refuses platforms that the images of a docker tar are not for: there are no others to
// choose. done is what the command does with the images, for the message.
func (s *Set) CheckPlatforms(chosen []v1.Platform, done string) error {
	for _, im := range s.Images {
		if im.Saved == nil {
			continue
		}
		config, _ := image.ParseConfig(im.Saved.Config)
		have := config.Platform
		for _, want := range chosen {
			if have.OS != "" && have.OS != "unknown" && !image.MatchPlatform(want, have) {
				return usage.Errorf("--platform chooses among the images of a layout or registry; "+
					"a saved tar is %s as it is, and %s is for %s, not %s",
					done, im.Label, image.FormatPlatform(have), image.FormatPlatform(want))
			}
		}
	}
	return nil
}

// maxListed is how many things a message lists.
const maxListed = 20

// List joins names for a message. Of many names it takes the first.
func List(names []string) string {
	if n := len(names); n > maxListed {
		names = append(slices.Clone(names[:maxListed]), fmt.Sprintf("and %d more", n-maxListed))
	}
	return strings.Join(names, ", ")
}

// References are the names of all images.
func (s *Set) References() (refs []registry.Reference) {
	for _, im := range s.Images {
		for _, n := range im.Names {
			if ref, err := registry.ParseReference(n); err == nil {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// Labels lists images for a message.
func Labels(images []*Image) string {
	var names []string
	for _, im := range images {
		names = append(names, im.Label)
	}
	return List(names)
}

// Rename gives a single image new names. images may hold it several times, under different old names.
func Rename(images []*image.Image, names []string) ([]*image.Image, error) {
	roots := map[digest.Digest]bool{}
	for _, im := range images {
		roots[im.Root.Digest] = true
	}
	if len(roots) > 1 {
		return nil, usage.Errorf("--tag names one image, but there are %d: "+
			"choose one as in oci:DIR:NAME, or save each to its own tar", len(roots))
	}
	for _, im := range images {
		im.Names, im.Tag = names, ""
	}
	return images[:len(roots)], nil
}
