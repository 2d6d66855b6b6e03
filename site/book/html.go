package book

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
	"golang.org/x/net/html"
)

// kept is the attribute of a node that holds the HTML to render for it.
const kept = "kept"

// tags are the elements that pages may hold beside Markdown, with their attributes.
var tags = map[string][]string{
	"picture": nil, "br": nil, "details": {"open"}, "summary": nil, "kbd": nil, "sub": nil, "sup": nil,
	"p": {"align"}, "div": {"align"}, "a": {"href"},
	"source": {"media", "srcset", "type"}, "img": {"src", "alt", "width", "height"},
}

// keepHTML reads the HTML of a node. Comments vanish, and addresses become those of the site.
func (b *Book) keepHTML(p *page, n ast.Node) error {
	var out strings.Builder
	z := html.NewTokenizer(strings.NewReader(rawHTML(n, p.raw)))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); !errors.Is(err, io.EOF) {
				return err
			}
			n.SetAttributeString(kept, []byte(out.String()))
			return nil
		case html.CommentToken:
			continue
		}
		t := z.Token()
		if err := b.keepTag(p, &t); err != nil {
			return err
		}
		out.WriteString(t.String())
	}
}

func (b *Book) keepTag(p *page, t *html.Token) error {
	if t.Type == html.TextToken {
		return nil
	}
	attributes, known := tags[t.Data]
	if !known {
		return fmt.Errorf("<%s> is not among the HTML that a page may hold", t.Data)
	}
	alt := ""
	for _, a := range t.Attr {
		if a.Key == "alt" {
			alt = a.Val
		}
	}
	for i, a := range t.Attr {
		var err error
		switch {
		case !slices.Contains(attributes, a.Key):
			err = fmt.Errorf("<%s> may not have %s", t.Data, a.Key)
		case a.Key == "src":
			t.Attr[i].Val, err = b.picture(p, a.Val, alt)
		case a.Key == "srcset": // one picture: the tag <img> beside it has the text
			t.Attr[i].Val, err = b.picture(p, a.Val, "in <img>")
		case a.Key == "href":
			t.Attr[i].Val, err = b.link(p, a.Val)
		}
		if err != nil {
			return fmt.Errorf("%s %q: %w", a.Key, a.Val, err)
		}
	}
	return nil
}

// rawHTML is the HTML as it stands in the page.
func rawHTML(n ast.Node, raw []byte) string {
	switch n := n.(type) {
	case *ast.RawHTML:
		return string(n.Segments.Value(raw))
	case *ast.HTMLBlock:
		s := string(n.Lines().Value(raw))
		if n.HasClosure() {
			s += string(n.ClosureLine.Value(raw))
		}
		return s
	}
	return ""
}
