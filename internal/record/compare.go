package record

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/verify"
)

// Compare says, each in a line, how what is here differs from what a record says. Files are told apart by
// their content alone: they may have other names here.
func Compare(record, here *Document) []string {
	c := &comparison{record: record, here: here, layers: record.byKey(), layersHere: here.byKey()}
	c.images()
	c.sharedLayers()
	c.referrers()
	c.files()
	return c.lines
}

// Differences says, each in a line, how what a set holds differs from the record. The set may have been
// opened with other options than those of a record, but with Sum. A nil Document has none.
func (doc *Document) Differences(
	ctx context.Context, set *source.Set, opts source.Options) ([]string, error) {
	if doc == nil {
		return nil, nil
	}
	files, err := Files(ctx, set)
	if err != nil && !errors.Is(err, verify.ErrMismatch) { // which shows in the files too
		return nil, err
	}
	here, err := again(ctx, set, files, opts)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return []string{terminal.Line(fmt.Sprintf("the images cannot be compared: %v", err))}, nil
	}
	return Compare(doc, here), nil
}

// again makes the record of a set that was opened to be verified. That has other images: all that an index
// leads to is a part of the image, or else a fault.
func again(ctx context.Context, set *source.Set, files []File, opts source.Options) (*Document, error) {
	opened, err := set.Again(ctx, Options(opts))
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return Build(ctx, opened, files)
}

// comparison gathers differences.
type comparison struct {
	record, here       *Document
	layers, layersHere map[digest.Digest]*Layer
	others             bool // an image is missing, or in no record
	lines              []string
}

func (c *comparison) differ(format string, args ...any) {
	c.lines = append(c.lines, terminal.Sprintf(format, args...))
}

func (c *comparison) images() {
	here := byKey(c.here.Images)
	recorded := byKey(c.record.Images)
	others := map[string]*Image{} // by name, those that the record does not have
	for i := range c.here.Images {
		im := &c.here.Images[i]
		if recorded[im.Key()] == nil {
			for _, n := range im.Names {
				others[n] = im
			}
		}
	}
	for k := range recorded {
		c.others = c.others || here[k] == nil
	}
	c.others = c.others || len(here) != len(recorded)
	said := map[*Image]bool{}
	for i := range c.record.Images {
		im := &c.record.Images[i]
		if same := here[im.Key()]; same != nil {
			c.image(im, same)
			continue
		}
		if other := renamed(im, others); other != nil && !said[other] {
			said[other] = true
			c.differ("image %s: is %s here, %s in the record", im.Title(), other.Key(), im.Key())
			continue
		}
		c.differ("image %s: is missing here; it is %s in the record", im.Title(), im.Key())
	}
	for i := range c.here.Images {
		if im := &c.here.Images[i]; recorded[im.Key()] == nil && !said[im] {
			c.differ("image %s: is not in the record; it is %s here", im.Title(), im.Key())
		}
	}
}

// renamed finds an image with one of the names of im.
func renamed(im *Image, others map[string]*Image) *Image {
	for _, n := range im.Names {
		if other := others[n]; other != nil {
			return other
		}
	}
	return nil
}

func byKey(images []Image) map[digest.Digest]*Image {
	all := map[digest.Digest]*Image{}
	for i := range images {
		all[images[i].Key()] = &images[i]
	}
	return all
}

// image compares what two records say of one image.
func (c *comparison) image(recorded, here *Image) {
	name := recorded.Title()
	if !slices.Equal(recorded.Names, here.Names) {
		c.differ("image %s: has the names %s here, %s in the record", name, quoted(here.Names),
			quoted(recorded.Names))
	}
	if recorded.Kind != here.Kind || recorded.MediaType != here.MediaType {
		c.differ("image %s: is %s %s here, %s %s in the record", name, here.Kind, here.MediaType, recorded.Kind,
			recorded.MediaType)
	}
	if len(recorded.Platforms) != len(here.Platforms) {
		c.differ("image %s: has %s here, %d in the record", name, terminal.Count(len(here.Platforms), "platform"),
			len(recorded.Platforms))
		return
	}
	for i := range recorded.Platforms {
		c.platform(name, &recorded.Platforms[i], &here.Platforms[i])
	}
}

func (c *comparison) platform(name string, recorded, here *Platform) {
	if recorded.Platform != "" {
		name += " " + recorded.Platform
	}
	for _, f := range []struct{ what, here, recorded string }{
		{"the platform", here.Platform + " " + here.OSVersion, recorded.Platform + " " + recorded.OSVersion},
		{"the digest", here.Digest.String(), recorded.Digest.String()},
		{"the image ID", here.ID.String(), recorded.ID.String()},
		{"the type", here.ArtifactType, recorded.ArtifactType},
		{"the manifest", there(here.Missing), there(recorded.Missing)},
		{"the date", date(here), date(recorded)},
		{"the base", c.based(here), c.based(recorded)},
	} {
		if f.here != f.recorded {
			c.differ("image %s: %s is %q here, %q in the record", name, f.what, strings.TrimSpace(f.here),
				strings.TrimSpace(f.recorded))
		}
	}
	if !maps.Equal(recorded.Labels, here.Labels) {
		c.differ("image %s: has other labels here than in the record", name)
	}
	switch n := alike(recorded.Layers, here.Layers); {
	case n < len(recorded.Layers) && n < len(here.Layers):
		c.differ("image %s: layer %d is %s here, %s in the record", name, n+1, here.Layers[n], recorded.Layers[n])
	case len(recorded.Layers) != len(here.Layers):
		c.differ("image %s: has %s here, %d in the record", name, terminal.Count(len(here.Layers), "layer"),
			len(recorded.Layers))
	}
}

func there(missing bool) string {
	if missing {
		return "absent"
	}
	return "inside"
}

func date(p *Platform) string {
	if p.Created == nil {
		return ""
	}
	return p.Created.UTC().Format("2006-01-02T15:04:05.999999999Z07:00")
}

// based says what is known of the base. What the layers tell of it depends on the other images.
func (c *comparison) based(p *Platform) string {
	switch b := p.Base; {
	case b == nil, b.From == fromLayers && c.others:
		return ""
	case b.From == fromLayers:
		return fmt.Sprintf("%d layers of %s", b.Layers, b.Image)
	default:
		return strings.TrimSpace(b.Name+" "+b.Digest) + ", as the " + b.From + " says"
	}
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	var all []string
	for _, n := range names {
		all = append(all, fmt.Sprintf("%q", n))
	}
	return strings.Join(all, ", ")
}

// sharedLayers compares layers that both records have. An image that lacks one has been told already.
func (c *comparison) sharedLayers() {
	for _, l := range c.record.Layers {
		here := c.layersHere[l.Key()]
		if here == nil {
			continue
		}
		if here.Size != l.Size {
			c.differ("layer %s: has %d bytes here, %d in the record", l.Key(), here.Size, l.Size)
		}
		if here.DiffID != l.DiffID {
			c.differ("layer %s: has the diff ID %q here, %q in the record", l.Key(), here.DiffID, l.DiffID)
		}
		if here.Absent != l.Absent {
			c.differ("layer %s: is %s here, %s in the record", l.Key(), inside(here.Absent), inside(l.Absent))
		}
	}
}

func inside(absent string) string {
	if absent == "" {
		return "inside"
	}
	return "absent (" + absent + ")"
}

func (c *comparison) referrers() {
	type key struct{ digest, subject digest.Digest }
	here := map[key]Referrer{}
	for _, r := range c.here.Referrers {
		here[key{r.Digest, r.Subject}] = r
	}
	for _, r := range c.record.Referrers {
		k := key{r.Digest, r.Subject}
		found, ok := here[k]
		delete(here, k)
		switch {
		case !ok:
			c.differ("referrer %s: is missing here; the record has %s", r.Digest, r)
		case !reflect.DeepEqual(found, r):
			c.differ("referrer %s: is %s here, %s in the record", r.Digest, found, r)
		}
	}
	for _, r := range c.here.Referrers {
		if _, extra := here[key{r.Digest, r.Subject}]; extra {
			c.differ("referrer %s: is not in the record; here is %s", r.Digest, r)
		}
	}
}

// files compares the content of files, whatever they are called.
func (c *comparison) files() {
	here := map[string][]File{} // by content, those that the record has not been found to have
	for _, f := range c.here.Files {
		here[f.SHA256] = append(here[f.SHA256], f)
	}
	for _, f := range c.record.Files {
		if same := here[f.SHA256]; len(same) > 0 {
			here[f.SHA256] = same[1:]
			continue
		}
		c.differ("file %s: no file here has the SHA-256 %s of the record", f.Name, f.SHA256)
	}
	for _, f := range c.here.Files {
		if extra := here[f.SHA256]; len(extra) > 0 {
			here[f.SHA256] = extra[1:]
			c.differ("file %s: the record has no file with the SHA-256 %s", extra[0].Name, f.SHA256)
		}
	}
}

// String is what messages say of a referrer besides its digest.
func (r Referrer) String() string {
	return fmt.Sprintf("%s of %s, type %q, %d bytes, %s", strings.Join(r.Is, " and "), r.Subject, r.Type, r.Size,
		there(r.Missing))
}
