// Package handbook shows the pages of the documentation to people at a terminal: as a list, as text of 80
// columns, and by what is in them. Pages are Markdown as this project writes it. [Book.Text] keeps what a
// terminal can show: headings, lists, tables, commands. Of a link it keeps the text and the page, and of a
// picture what is told in its place.
package handbook

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"drayage/internal/guide"
	"drayage/internal/terminal"
	"drayage/internal/usage"
)

// contents is the page that lists all others, in the order in which one reads.
const contents = "README"

// Book is a set of pages.
type Book struct {
	Files map[string]string // as they are, by name: with pages also what they are about
	pages []*Page           // in reading order
}

// forTests are comments to the test that runs the commands of the pages. No reader needs them.
var forTests = regexp.MustCompile(`(?ms)^<!-- docs:.*?-->\n`)

// Page is a page of a book.
type Page struct {
	Name  string // without .md: start/k3s
	Title string
	About string // what the contents tell of it
	Group string // under which heading
	text  string
}

// New reads a book.
func New(fsys fs.FS) (*Book, error) {
	b := &Book{Files: map[string]string{}}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		b.Files[name] = string(raw)
		if page, ok := strings.CutSuffix(name, ".md"); ok {
			title, _, _ := strings.Cut(strings.TrimPrefix(string(raw), "# "), "\n")
			p := &Page{Name: page, Title: title, About: title, Group: "more",
				text: forTests.ReplaceAllString(string(raw), "")}
			b.pages = append(b.pages, p)
		}
		return nil
	})
	b.order()
	return b, err
}

// row of a table of the contents begins with a link to a page.
var row = regexp.MustCompile(`^\| \[[^]]*\]\(([^)#]+)\.md\) \| (.*) \|$`)

// order brings the pages into the order of the contents, and takes from there what they are about.
func (b *Book) order() {
	place, group := map[string]int{}, ""
	for line := range strings.Lines(b.Files[contents+".md"]) {
		line = strings.TrimSuffix(line, "\n")
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			group = heading
		}
		if m := row.FindStringSubmatch(line); m != nil {
			if p := b.page(m[1]); p != nil {
				p.About, p.Group, place[p.Name] = plain(m[2]), group, len(place)+1
			}
		}
	}
	last := len(b.pages)
	slices.SortStableFunc(b.pages, func(x, y *Page) int {
		at := func(p *Page) int {
			if n := place[p.Name]; n > 0 {
				return n
			}
			return last
		}
		return at(x) - at(y)
	})
}

func (b *Book) page(name string) *Page {
	i := slices.IndexFunc(b.pages, func(p *Page) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return b.pages[i]
}

// Pages are all pages in reading order, but for their list.
func (b *Book) Pages() []*Page {
	return slices.DeleteFunc(slices.Clone(b.pages), func(p *Page) bool { return p.Name == contents })
}

// List writes what there is to read.
func (b *Book) List() string {
	var sections []guide.Section
	for _, p := range b.Pages() {
		if n := len(sections); n == 0 || sections[n-1].Title != p.Group {
			sections = append(sections, guide.Section{Title: p.Group})
		}
		last := &sections[len(sections)-1]
		last.Entries = append(last.Entries, guide.Entry{Head: p.Name, Text: p.About})
	}
	return strings.TrimPrefix(guide.FormatSections(sections), "\n")
}

// Find returns the page that a name means, which may be the end of its name, or a path to its file. Behind #
// may stand a section: then the page has that section only.
func (b *Book) Find(name string) (*Page, error) {
	name, anchor, only := strings.Cut(name, "#")
	bare := strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(name), "docs/"), ".md")
	var names []string
	var found []*Page
	for _, p := range b.pages {
		switch lower := strings.ToLower(p.Name); {
		case lower == bare:
			return p.section(anchor, only)
		case path.Base(lower) == bare:
			found = append(found, p)
		}
		names = append(names, p.Name, path.Base(p.Name))
	}
	if len(found) == 1 {
		return found[0].section(anchor, only)
	}
	if near := guide.Nearest(bare, names); near != "" {
		return nil, usage.Errorf("there is no page %q: did you mean %s? drayage docs --search %s looks for the "+
			"word", name, near, terminal.ShellWord(name))
	}
	return nil, usage.Errorf("there is no page %q: drayage docs lists them, and drayage docs --search %s "+
		"looks for the word", name, terminal.ShellWord(name))
}

// section returns the page with a section alone, if only that is wanted.
func (p *Page) section(anchor string, only bool) (*Page, error) {
	if !only {
		return p, nil
	}
	var anchors []string
	for _, s := range p.sections() {
		if s.anchor == strings.ToLower(anchor) {
			return &Page{Name: p.Name, Title: s.heading, text: s.text}, nil
		}
		anchors = append(anchors, s.anchor)
	}
	if near := strings.Join(guide.NearestFew(anchor, anchors, 1), ""); near != "" {
		return nil, usage.Errorf("%s has no section %q: the nearest is %s#%s", p.Name, anchor, p.Name, near)
	}
	return nil, usage.Errorf("%s has no section %q: drayage docs %[1]s shows the whole page", p.Name, anchor)
}

// Markdown is the page as it is, without comments to tests.
func (p *Page) Markdown() string { return p.text }

// part is a section of a page: a heading with what stands up to the next.
type part struct{ heading, anchor, text string }

// sections divides a page at its headings. Lines of commands that begin with # are no headings.
func (p *Page) sections() (all []part) {
	seen, fenced := map[string]int{}, false
	for line := range strings.Lines(p.text) {
		fenced = fenced != strings.HasPrefix(line, "```")
		if m := headingLine.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil && !fenced {
			heading := plain(m[2])
			anchor := anchorOf(heading)
			if n := seen[anchor]; n > 0 {
				seen[anchor]++
				anchor = fmt.Sprintf("%s-%d", anchor, n)
			} else {
				seen[anchor] = 1
			}
			all = append(all, part{heading: heading, anchor: anchor})
		}
		if len(all) == 0 {
			all = append(all, part{heading: p.Title, anchor: anchorOf(p.Title)})
		}
		all[len(all)-1].text += line
	}
	return all
}

var (
	headingLine = regexp.MustCompile(`^(#+) +(.+)$`)
	noAnchor    = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchorOf is what stands behind # in links to a heading.
func anchorOf(heading string) string {
	return strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}
