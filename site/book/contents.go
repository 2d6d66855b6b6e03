package book

import (
	"path"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// group is a part of the list of pages.
type group struct {
	Title string
	pages []*page
}

// arrange puts the pages in the order in which to read them. The contents page has it: each of its headings
// of the second level begins a group. Pages that it does not name follow in groups of their own.
func (b *Book) arrange() {
	listed := map[*page]bool{}
	add := func(title string, p *page) {
		if p == nil || listed[p] {
			return
		}
		listed[p] = true
		if n := len(b.groups); n == 0 || b.groups[n-1].Title != title {
			b.groups = append(b.groups, group{Title: title})
		}
		last := &b.groups[len(b.groups)-1]
		last.pages = append(last.pages, p)
	}
	first := b.bySrc[rootPages[0]]
	first.label = "Start"
	add("", first)
	if contents := b.bySrc[contentsPage]; contents != nil {
		contents.label = "Contents"
		add("", contents)
		b.listed(contents, add)
	}
	for _, p := range b.pages {
		if dir := path.Dir(p.src); dir != "." {
			add(directoryTitle(dir), p)
		}
	}
	for _, p := range b.pages {
		add("Project", p)
	}
	b.pages = nil
	for _, g := range b.groups {
		b.pages = append(b.pages, g.pages...)
	}
}

// listed adds the pages that the contents page leads to.
func (b *Book) listed(contents *page, add func(string, *page)) {
	title := ""
	_ = ast.Walk(contents.doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			if n.Level == 2 {
				title = plain(n, contents.raw)
			}
		case *ast.Link:
			target, _, _ := strings.Cut(string(n.Destination), "#")
			p := b.bySrc[path.Join(path.Dir(contents.src), target)]
			text := plain(n, contents.raw)
			if p != nil && p.label == p.title && !strings.HasSuffix(text, ".md") {
				p.label = strings.ToUpper(text[:1]) + text[1:]
			}
			add(title, p)
		}
		return ast.WalkContinue, nil
	})
}

func directoryTitle(dir string) string {
	if dir == "docs" {
		return "Pages"
	}
	name := path.Base(dir)
	return strings.ToUpper(name[:1]) + name[1:]
}

// neighbours are the pages before and after one.
func (b *Book) neighbours(p *page) (before, after *page) {
	i := slices.Index(b.pages, p)
	if i > 0 {
		before = b.pages[i-1]
	}
	if i+1 < len(b.pages) {
		after = b.pages[i+1]
	}
	return before, after
}
