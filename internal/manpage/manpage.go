// Package manpage writes help pages as man pages: roff with the macros of man(7), for man-db and mandoc.
package manpage

import (
	"io"
	"strings"

	"drayage/internal/guide"
)

// Page is a man page. Its text is that of the help page, and more that has no room there.
type Page struct {
	guide.Page
	Version, Date string // of the build; the date is YYYY-MM-DD or empty
	Environment   []guide.Entry
	Files         []guide.Entry
	SeeAlso       []string // names of man pages of section 1
}

// Name is that of the man page: drayage-fetch for drayage fetch.
func (p Page) Name() string { return strings.ReplaceAll(p.Page.Name, " ", "-") }

// Write writes the page. The same page gives the same bytes.
func (p Page) Write(w io.Writer) error {
	var r roff
	r.line(`.\" Written by drayage man. A change belongs into the help texts of drayage.`)
	r.line(`.TH "` + escape(strings.ToUpper(p.Name())) + `" "1" "` + p.Date + `" "drayage ` + escape(p.Version) +
		`" "drayage manual"`)
	r.line(".nr HY 0") // an option that is hyphenated cannot be typed
	r.line(".nh")
	r.line(".ad l")
	r.macro("SH", "NAME")
	r.words(strings.Fields(escape(p.Name()) + ` \- ` + escape(p.Summary)))
	r.macro("SH", "SYNOPSIS")
	r.words(usage(p.Usage))
	r.macro("SH", "DESCRIPTION")
	description, examples := cutTitle(p.Text)
	r.text(description)
	r.sections("COMMANDS", p.Commands)
	r.sections("OPTIONS", p.Sections)
	r.text(examples)
	r.text(strings.ReplaceAll(p.Footer, "EXIT CODES:", "EXIT STATUS:"))
	r.sections("ENVIRONMENT", []guide.Section{{Entries: p.Environment}})
	r.sections("FILES", []guide.Section{{Entries: p.Files}})
	r.macro("SH", "SEE ALSO")
	for i, name := range p.SeeAlso {
		comma := ","
		if i == len(p.SeeAlso)-1 {
			comma = ""
		}
		r.line(`\fB` + escape(name) + `\fR(1)` + comma)
	}
	_, err := io.WriteString(w, r.String())
	return err
}

// cutTitle divides a text before its first title.
func cutTitle(text string) (before, from string) {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if guide.IsTitle(l) {
			return strings.Join(lines[:i], "\n"), strings.Join(lines[i:], "\n")
		}
	}
	return text, ""
}

// sections writes a section of the man page with groups of entries.
func (r *roff) sections(title string, groups []guide.Section) {
	if len(groups) == 0 || len(groups[0].Entries) == 0 {
		return
	}
	r.macro("SH", title)
	for _, g := range groups {
		if g.Title != "" {
			r.macro("SS", strings.ToUpper(g.Title[:1])+g.Title[1:])
		}
		for _, e := range g.Entries {
			r.line(".TP")
			r.line(head(e.Head))
			r.prose(e.Text)
		}
	}
}

// text writes what stands in a help page: paragraphs, titles, and lines that stay as they are.
func (r *roff) text(text string) {
	var paragraph, literal []string
	begun := false // something stands before in this section, so that a paragraph needs a mark
	flush := func() {
		switch {
		case len(paragraph) > 0:
			if begun {
				r.line(".PP")
			}
			r.prose(strings.Join(paragraph, " "))
			begun = true
		case len(literal) > 0:
			if begun {
				r.line(".PP")
			}
			r.literal(literal)
			begun = true
		}
		paragraph, literal = nil, nil
	}
	for _, line := range strings.Split(text, "\n") {
		isLiteral := strings.HasPrefix(line, " ")
		if line == "" || guide.IsTitle(line) || isLiteral && len(paragraph) > 0 || !isLiteral && len(literal) > 0 {
			flush()
		}
		switch {
		case guide.IsTitle(line):
			r.macro("SH", strings.TrimSuffix(line, ":"))
			begun = false
		case isLiteral:
			literal = append(literal, strings.TrimPrefix(line, "   "))
		case line != "":
			paragraph = append(paragraph, line)
		}
	}
	flush()
}
