package book

import (
	"encoding/json"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// section is what a search finds: the text below one heading.
type section struct {
	url, page, heading string
	text               strings.Builder
}

// index is a script with all sections. Without a server a page cannot read a file of data, but it can load a
// script.
func (b *Book) index() ([]byte, error) {
	var rows [][4]string
	for _, p := range b.pages {
		for _, s := range p.sections() {
			rows = append(rows, [4]string{s.url, s.page, s.heading, strings.TrimSpace(s.text.String())})
		}
	}
	raw, err := json.Marshal(rows)
	return append(append([]byte("window.searchIndex="), raw...), ";\n"...), err
}

func (p *page) sections() (all []*section) {
	for n := p.doc.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok {
			s := &section{url: p.out, page: p.title}
			if len(all) > 0 {
				id, _ := h.AttributeString("id")
				s.url, s.heading = p.out+"#"+string(id.([]byte)), plain(h, p.raw)
			}
			all = append(all, s)
			continue
		}
		if len(all) > 0 {
			all[len(all)-1].text.WriteString(plain(n, p.raw) + " ")
		}
	}
	return all
}
