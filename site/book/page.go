package book

import (
	"fmt"
	"html"
	"io/fs"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// page is one Markdown file.
type page struct {
	src      string // its path in the project
	out      string // its path in the site
	raw      []byte
	doc      ast.Node
	title    string
	label    string // its name in the list of pages
	headings []heading
	anchors  map[string]bool
}

// heading is a heading of a page.
type heading struct {
	level    int
	id, text string
}

func (b *Book) readPage(src string) (*page, error) {
	raw, err := fs.ReadFile(b.project, src)
	if err != nil {
		return nil, err
	}
	p := &page{src: src, out: output(src), raw: raw, anchors: map[string]bool{}}
	p.doc = markdown().Parser().Parse(text.NewReader(raw))
	ids := anchors{}
	_ = ast.Walk(p.doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if h, ok := n.(*ast.Heading); ok && entering {
			one := heading{level: h.Level, text: plain(h, raw)}
			one.id = ids.of(one.text)
			h.SetAttributeString("id", []byte(one.id))
			p.headings = append(p.headings, one)
			p.anchors[one.id] = true
		}
		return ast.WalkContinue, nil
	})
	if len(p.headings) == 0 || p.headings[0].level != 1 {
		return nil, fmt.Errorf("%s: a page begins with a heading of the first level", src)
	}
	p.title = p.headings[0].text
	p.label = p.title
	return p, nil
}

// description is the first paragraph.
func (p *page) description() string {
	for n := p.doc.FirstChild(); n != nil; n = n.NextSibling() {
		if s := plain(n, p.raw); n.Kind() == ast.KindParagraph && s != "" {
			return s
		}
	}
	return p.title
}

// plain is the text of a node as a reader sees it.
func plain(n ast.Node, raw []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(value(n, raw))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.WriteString(html.UnescapeString(string(n.Value)))
		case *ast.AutoLink:
			b.Write(n.Label(raw))
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			b.Write(n.Lines().Value(raw))
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

// value is what a text means: escapes and entities count outside of code only.
func value(n *ast.Text, raw []byte) []byte {
	v := n.Segment.Value(raw)
	if n.IsRaw() || n.Parent() != nil && n.Parent().Kind() == ast.KindCodeSpan {
		return v
	}
	return util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(v)))
}
