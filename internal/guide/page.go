// Package guide leads people who are at the command line: help pages that fit their terminal, the word that a
// mistyped one probably means, and what to type here instead of what another tool calls it.
package guide

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Columns is the width of help pages. A terminal of 80 columns shows as many without a wrap.
const Columns = 79

const (
	margin    = "   "
	maxColumn = 30 // where the texts of entries begin at most; longer heads have a line of their own
)

// Page is a help page.
type Page struct {
	Name, Summary string
	Usage         string
	Text          string    // see [Page.Write]
	Commands      []Section // those of a program with commands
	Sections      []Section // flags
	Footer        string
}

// Section is a titled list of flags or commands.
type Section struct {
	Title   string
	Entries []Entry
}

// Entry is one line of a section, such as a flag with what it does.
type Entry struct{ Head, Text string }

// Write writes the page. Paragraphs of Text and Footer are filled to the width of the page. Lines in them
// that begin with a space, such as examples, and titles in capitals stay as they are.
func (p Page) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "NAME:\n%s\n\nUSAGE:\n%s%s\n",
		Hang(margin, p.Name+" - "+p.Summary, len(margin)+2), margin, p.Usage)
	writeText(&b, p.Text)
	b.WriteString(FormatSections(p.all()))
	writeText(&b, strings.TrimSuffix(p.Footer, "\n"))
	_, err := io.WriteString(w, b.String())
	return err
}

func (p Page) all() []Section { return slices.Concat(p.Commands, p.Sections) }

// FormatSections writes titled lists, each behind an empty line. The texts of all entries begin at one
// column.
func FormatSections(all []Section) string {
	var b strings.Builder
	column := column(all)
	for _, s := range all {
		fmt.Fprintf(&b, "\n%s:\n", strings.ToUpper(s.Title))
		for _, e := range s.Entries {
			b.WriteString(e.line(column))
		}
	}
	return b.String()
}

// column is where the texts of all entries begin.
func column(all []Section) int {
	column := 0
	for _, s := range all {
		for _, e := range s.Entries {
			if n := len(margin) + utf8.RuneCountInString(e.Head) + 2; n <= maxColumn {
				column = max(column, n)
			}
		}
	}
	return column
}

func (e Entry) line(column int) string {
	head := margin + e.Head
	if e.Text == "" {
		return head + "\n"
	}
	if n := utf8.RuneCountInString(head); n+2 <= column {
		return Hang(head+strings.Repeat(" ", column-n), e.Text, column) + "\n"
	}
	return head + "\n" + Hang(strings.Repeat(" ", column), e.Text, column) + "\n"
}

func writeText(b *strings.Builder, text string) {
	if text == "" {
		return
	}
	b.WriteString("\n")
	indent := margin
	var paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			b.WriteString(Hang(indent, strings.Join(paragraph, " "), len(indent)) + "\n")
		}
		paragraph = nil
	}
	for _, line := range strings.Split(text, "\n") {
		switch {
		case IsTitle(line):
			flush()
			b.WriteString(line + "\n")
		case line == "", strings.HasPrefix(line, " "):
			flush()
			b.WriteString(line + "\n")
		default:
			paragraph = append(paragraph, line)
		}
	}
	flush()
}

// IsTitle reports whether a line of a text is a title, such as EXAMPLES:.
func IsTitle(line string) bool {
	return strings.HasSuffix(line, ":") && strings.ToUpper(line) == line
}

// Hang writes text behind head and breaks it between words, at [Columns]. Its further lines begin at the
// column.
func Hang(head, text string, column int) string {
	var b strings.Builder
	b.WriteString(head)
	at, first := utf8.RuneCountInString(head), true
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case first:
		case at+1+n > Columns:
			b.WriteString("\n" + strings.Repeat(" ", column))
			at = column
		default:
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at, first = at+n, false
	}
	return b.String()
}

// Sections brings groups of entries into an order. Groups that the order does not have come last.
func Sections(in map[string][]Entry, order []string) (all []Section) {
	for _, title := range slices.Concat(order, slices.Sorted(maps.Keys(in))) {
		if len(in[title]) > 0 {
			all = append(all, Section{title, in[title]})
		}
		delete(in, title)
	}
	return all
}

// FlagEntry writes a flag with its short name first, its placeholder, what it does and its default. The
// placeholder stands in backquotes in the usage.
func FlagEntry(f Flag, value string) Entry {
	head, long := "    ", ""
	for _, name := range slices.Backward(f.Names) {
		if len(name) == 1 {
			head = "-" + name + ", "
		} else {
			long = "--" + name
		}
	}
	placeholder, text := Unquote(f.Usage)
	if head += long; f.Value {
		head += " " + placeholder
	}
	if f.Repeats {
		text += "; may be repeated"
	}
	if value != "" {
		text += fmt.Sprintf(" (default: %s)", value)
	}
	return Entry{Head: head, Text: text}
}

// Unquote returns the placeholder that stands in backquotes in a usage, and the usage without them. A
// placeholder with a colon at the beginning is no part of the text.
func Unquote(usage string) (placeholder, text string) {
	before, rest, _ := strings.Cut(usage, "`")
	name, after, closed := strings.Cut(rest, "`")
	switch {
	case !closed:
		return "", usage
	case before == "" && strings.HasPrefix(after, ": "):
		return name, after[2:]
	}
	return name, before + name + after
}
