package record

import (
	"bufio"
	_ "embed"
	"html/template"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"drayage/internal/terminal"
	"drayage/internal/verify"
)

// What a page shows at most. All else is in the JSON that it carries, and the page says so.
const (
	maxDetails = 1000 // images with all that is known of them
	maxRows    = 100  // of the picture
	maxBlocks  = 128  // of a row, and layers in the list of a platform
	maxLabels  = 100  // of a platform
	maxClip    = 1000 // bytes of a label
)

//go:embed page.html
var pageText string

// pages are the parts of a page, before the JSON and behind it.
var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"text": func(v any) string { return terminal.Line(asText(v)) },
	"clip": func(v any) string { return terminal.Escape(asText(v), maxClip) },
	"size": terminal.Size, "number": terminal.Number, "plural": plural,
	"join":      func(words []string) string { return terminal.Line(strings.Join(words, ", ")) },
	"date":      func(t *time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"detailed":  func(i int) bool { return i < maxDetails },
	"other":     func(names []string) []string { return names[min(len(names), 1):] },
	"platforms": platformNames, "labels": labels,
	// These need the document: WritePage sets them.
	"referrers": func(Image) []Referrer { return nil }, "layers": func([]digest.Digest) []listed { return nil },
}).Parse(pageText))

func asText(v any) string {
	switch v := v.(type) {
	case digest.Digest:
		return v.String()
	case string:
		return v
	}
	return ""
}

// WritePage writes a record as one page of HTML, which needs no network and no script and holds the JSON too.
// All that comes from images is escaped.
func WritePage(w io.Writer, doc *Document) error {
	p := newPage(doc)
	t, err := pages.Clone()
	if err != nil {
		return err
	}
	t.Funcs(template.FuncMap{"referrers": p.referrersOf, "layers": p.list})
	b := bufio.NewWriterSize(w, 64<<10)
	if err := t.ExecuteTemplate(b, "head", p); err != nil {
		return err
	}
	b.WriteString(scriptBegin)
	if err := Write(b, doc); err != nil {
		return err
	}
	b.WriteString(scriptEnd + "\n")
	if err := t.ExecuteTemplate(b, "body", p); err != nil {
		return err
	}
	return b.Flush()
}

// page is what the template shows.
type page struct {
	*Document
	Title string
	Rows  []bar // of the picture

	layers   map[digest.Digest]*Layer
	subjects map[digest.Digest][]Referrer
}

func newPage(doc *Document) *page {
	p := &page{Document: doc, Title: "a layout", layers: doc.byKey(), subjects: map[digest.Digest][]Referrer{}}
	if len(doc.Files) == 1 {
		p.Title = terminal.Line(doc.Files[0].Name)
		if p.Title == "-" {
			p.Title = "an archive on standard output"
		}
	}
	for _, r := range doc.Referrers {
		p.subjects[r.Subject] = append(p.subjects[r.Subject], r)
	}
	p.Rows = p.bars()
	return p
}

// FileBytes is the size of all files.
func (p *page) FileBytes() (sum int64) {
	for _, f := range p.Files {
		sum = verify.AddSize(sum, f.Size)
	}
	return sum
}

// Sums are the lines for sha256sum -c.
func (p *page) Sums() []string { return Sums(p.Files) }

// Details are the images that the page shows in full.
func (p *page) Details() []Image { return p.Images[:min(len(p.Images), maxDetails)] }

// DetailsLeft is how many images the page shows in the table alone.
func (p *page) DetailsLeft() int { return len(p.Images) - len(p.Details()) }

// HasPlatforms reports whether an image is for several platforms.
func (p *page) HasPlatforms() bool {
	return slices.ContainsFunc(p.Images, func(im Image) bool { return len(im.Platforms) > 1 })
}

// LeftOut are the layers that must be at the destination.
func (p *page) LeftOut() (all []*Layer) {
	for i := range p.Layers {
		if l := &p.Layers[i]; l.Absent == LeftOut {
			all = append(all, l)
		}
	}
	return all
}

// referrersOf lists what belongs to an image, and to that in turn.
func (p *page) referrersOf(im Image) (all []Referrer) {
	seen := map[digest.Digest]bool{}
	var follow func(d digest.Digest)
	follow = func(d digest.Digest) {
		if d == "" || seen[d] {
			return
		}
		seen[d] = true
		for _, r := range p.subjects[d] {
			all = append(all, r)
			follow(r.Digest)
		}
	}
	follow(im.Digest)
	for _, pl := range im.Platforms {
		follow(pl.Digest)
	}
	return all
}

// Orphans are the referrers that belong to no image of the record.
func (p *page) Orphans() (all []Referrer) {
	if len(p.Referrers) == 0 {
		return nil
	}
	reached := map[digest.Digest]bool{}
	for _, im := range p.Images {
		for _, r := range p.referrersOf(im) {
			reached[r.Digest] = true
		}
	}
	for _, r := range p.Referrers {
		if !reached[r.Digest] {
			all = append(all, r)
		}
	}
	return all
}

// listed is a line in the list of layers of a platform.
type listed struct {
	*Layer
	Size int64
	More int // layers that the list leaves out; Layer is nil
}

func (p *page) list(keys []digest.Digest) (all []listed) {
	for i, key := range keys {
		l := p.layers[key]
		if i < maxBlocks {
			all = append(all, listed{Layer: l, Size: l.Size})
			continue
		}
		if i == maxBlocks {
			all = append(all, listed{})
		}
		all[maxBlocks].More++
		all[maxBlocks].Size = verify.AddSize(all[maxBlocks].Size, l.Size)
	}
	return all
}

// State is the class of the layer in the picture.
func (l *Layer) State() string { return l.state() }

// Says is the state of the layer in words.
func (l *Layer) Says() string {
	switch l.Absent {
	case "":
	case LeftOut:
		return "absent: must be at the destination"
	case Foreign:
		return "absent: its manifest has the address"
	case OtherPlatform:
		return "absent: for another platform"
	default:
		return "absent"
	}
	if l.Images > 1 {
		return "shared by " + terminal.Number(l.Images) + " images"
	}
	return "new"
}

// label is a line in the list of labels.
type label struct {
	First       bool
	Name, Value string
}

func labels(of map[string]string) (all []label) {
	for i, name := range slices.Sorted(maps.Keys(of)) {
		if i == maxLabels {
			left := strconv.Itoa(len(of) - maxLabels)
			return append(all, label{Name: "and more", Value: left + " labels, which are in the JSON"})
		}
		all = append(all, label{i == 0, name, of[name]})
	}
	return all
}

func platformNames(im Image) string {
	var all []string
	for i, p := range im.Platforms {
		name := p.Platform
		if name == "" {
			name = p.ArtifactType
		}
		if i == 10 {
			all = append(all, "and "+strconv.Itoa(len(im.Platforms)-i)+" more")
			break
		}
		if name != "" && !slices.Contains(all, name) {
			all = append(all, terminal.Escape(name, 100))
		}
	}
	return strings.Join(all, ", ")
}

// plural is one of the given words, the second one for several things, or the first one with an s.
func plural(n int, words ...string) string {
	switch {
	case n == 1:
		return words[0]
	case len(words) > 1:
		return words[1]
	}
	return words[0] + "s"
}
