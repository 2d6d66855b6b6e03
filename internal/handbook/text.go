package handbook

import (
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"drayage/internal/guide"
)

// Text is a page for a terminal of 80 columns. Commands and tables that are wider stay as they are.
func (b *Book) Text(p *Page) string {
	r := &renderer{book: b, page: p}
	for line := range strings.Lines(p.text) {
		r.line(strings.TrimRight(line, "\r\n"))
	}
	r.flush()
	return strings.TrimLeft(strings.TrimRight(r.out.String(), "\n")+"\n", "\n")
}

// renderer makes text of the lines of a page.
type renderer struct {
	book *Book
	page *Page
	out  strings.Builder

	head      string   // what stands before the paragraph, such as the sign of a list
	paragraph []string // lines that are filled together
	rows      []string // of a table
	until     string   // the end of a comment, a picture or a block of code
	picture   []string
	blank     bool // the last line was empty
}

// item is a line of a list.
var item = regexp.MustCompile(`^( *)([-*]|\d+[.)]) +(.*)$`)

func (r *renderer) line(line string) {
	blank := r.blank
	r.blank = line == ""
	isCode := strings.HasPrefix(line, "    ") && (blank || r.paragraph == nil && r.rows == nil)
	switch {
	case r.until != "":
		r.within(line)
	case strings.HasPrefix(line, "<!--"):
		if r.flush(); !strings.Contains(line, "-->") {
			r.until = "-->"
		}
		r.blank = true
	case strings.HasPrefix(line, "<picture"):
		r.flush()
		r.until, r.picture = "</picture>", nil
	case strings.HasPrefix(line, "```"):
		r.flush()
		r.until = "```"
	case line == "":
		r.flush()
		r.gap()
	case isCode:
		r.flush()
		r.out.WriteString(line + "\n")
		r.blank = blank // what follows at the same depth belongs to it
	case headingLine.MatchString(line):
		r.flush()
		r.heading(headingLine.FindStringSubmatch(line))
	case strings.HasPrefix(line, "|"):
		r.endParagraph()
		r.rows = append(r.rows, line)
	case item.MatchString(line):
		r.flush()
		m := item.FindStringSubmatch(line)
		r.head, r.paragraph = m[1]+m[2]+" ", []string{m[3]}
	default:
		r.paragraph = append(r.paragraph, strings.TrimPrefix(strings.TrimSpace(line), "> "))
	}
}

// within takes a line of a comment, a picture, or code between fences.
func (r *renderer) within(line string) {
	switch {
	case strings.HasPrefix(r.until, "`") && strings.HasPrefix(line, r.until):
		r.until = ""
	case strings.HasPrefix(r.until, "`"):
		r.out.WriteString(strings.TrimRight("    "+line, " ") + "\n")
	case strings.Contains(line, r.until):
		if r.until == "</picture>" {
			r.told(strings.Join(r.picture, " "))
		}
		r.until = ""
		r.blank = true
	default:
		r.picture = append(r.picture, strings.TrimSpace(line))
	}
}

var alt = regexp.MustCompile(`alt="([^"]*)"`)

// told writes what a picture shows.
func (r *renderer) told(picture string) {
	if m := alt.FindStringSubmatch(picture); m != nil {
		r.out.WriteString(guide.Hang("(Picture) ", m[1], 0) + "\n")
	}
}

// gap writes one empty line, however many there are.
func (r *renderer) gap() {
	if !strings.HasSuffix(r.out.String(), "\n\n") {
		r.out.WriteString("\n")
	}
}

func (r *renderer) heading(m []string) {
	text := r.inline(m[2])
	sign := map[int]string{1: "=", 2: "-"}[len(m[1])]
	if sign != "" {
		text += "\n" + strings.Repeat(sign, min(utf8.RuneCountInString(text), guide.Columns))
	}
	r.gap()
	r.out.WriteString(text + "\n")
}

func (r *renderer) flush() {
	r.endParagraph()
	if r.rows != nil {
		r.out.WriteString(r.table(r.rows))
		r.rows = nil
	}
}

func (r *renderer) endParagraph() {
	if r.paragraph == nil {
		return
	}
	text := r.inline(strings.Join(r.paragraph, " "))
	r.out.WriteString(guide.Hang(r.head, text, utf8.RuneCountInString(r.head)) + "\n")
	r.head, r.paragraph = "", nil
}

var (
	link = regexp.MustCompile(`!?\[([^\]]*)\]\(([^)\s]+)\)`)
	bare = regexp.MustCompile(`<(https?://[^>]+)>`)
)

// plain is a line without links and signs of emphasis.
func plain(text string) string {
	spans := strings.Split(link.ReplaceAllString(text, "$1"), "`")
	for i := 0; i < len(spans); i += 2 { // every second one is code
		spans[i] = strings.ReplaceAll(bare.ReplaceAllString(spans[i], "$1"), "**", "")
	}
	return strings.Join(spans, "`")
}

// inline makes text of what stands in a paragraph. Code keeps its quotes: they show where a command ends.
func (r *renderer) inline(text string) string {
	text = link.ReplaceAllStringFunc(text, func(whole string) string {
		m := link.FindStringSubmatch(whole)
		return r.link(m[1], m[2])
	})
	return plain(text)
}

// link is a link as text: with the address behind it, or with the page that it leads to.
func (r *renderer) link(text, to string) string {
	if strings.Contains(to, "://") {
		if text == to {
			return text
		}
		return text + " (" + to + ")"
	}
	file, anchor, _ := strings.Cut(to, "#")
	if file == "" {
		return text
	}
	name := strings.TrimSuffix(path.Join(path.Dir(r.page.Name), file), ".md")
	if r.book.page(name) == nil {
		return text
	}
	if anchor != "" {
		name += "#" + anchor
	}
	if strings.HasSuffix(text, ".md") {
		return "`drayage docs " + name + "`"
	}
	return text + " (`drayage docs " + name + "`)"
}
