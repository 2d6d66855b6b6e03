package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the directory of the project.
const root = "../.."

// mark is a comment before a block that tells what to do with it.
type mark struct {
	kind, arg string
	body      string // the lines below, in the comment itself
	line      int
}

// block is an indented or fenced block of a page.
type block struct {
	line  int    // of its first line
	lang  string // behind the fence
	lines []string
	marks []mark
}

// page is a Markdown file.
type page struct {
	name   string // from the root of the project
	text   string
	blocks []block
	loose  []mark // marks with a text of their own, and no block
}

// pages reads README.md and all pages below docs.
func pages(t *testing.T) (all []page) {
	t.Helper()
	names := []string{"README.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ os.DirEntry, err error) error {
		if name, _ := filepath.Rel(root, path); filepath.Ext(path) == ".md" {
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		p, err := parse(name, string(raw))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

var kinds = []string{"skip", "exit", "output", "file", "env", "run", "table", "serve"}

// bare are the kinds that say enough without more words.
var bare = []string{"output", "run", "table", "serve"}

// reader goes through the lines of a page.
type reader struct {
	page
	lines   []string
	at      int
	waiting []mark // marks for the next block
}

// parse finds the blocks and marks of a page.
func parse(name, text string) (page, error) {
	r := &reader{page: page{name: name, text: text}, lines: strings.Split(text, "\n")}
	for r.at < len(r.lines) {
		line := r.lines[r.at]
		blank := r.at == 0 || strings.TrimSpace(r.lines[r.at-1]) == "" ||
			strings.HasSuffix(r.lines[r.at-1], "-->")
		switch {
		case strings.HasPrefix(line, "<!-- docs:"):
			if err := r.mark(); err != nil {
				return r.page, err
			}
		case strings.HasPrefix(line, "|") && len(r.waiting) > 0 && r.waiting[0].kind == "table":
			r.table()
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			r.fenced()
		case blank && strings.HasPrefix(line, "    ") && strings.TrimSpace(line) != "":
			r.indented()
		default:
			r.at++
		}
	}
	if len(r.waiting) > 0 {
		return r.page, fmt.Errorf("%s:%d: no block follows this comment", name, r.waiting[0].line)
	}
	return r.page, nil
}

// mark reads a comment, which may have several lines.
func (r *reader) mark() error {
	m := mark{line: r.at + 1}
	text := strings.TrimPrefix(r.lines[r.at], "<!-- docs:")
	for !strings.Contains(text, "-->") {
		if r.at++; r.at == len(r.lines) {
			return fmt.Errorf("%s:%d: the comment has no end", r.name, m.line)
		}
		text += "\n" + r.lines[r.at]
	}
	r.at++
	head, body, _ := strings.Cut(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "-->")), "\n")
	m.kind, m.arg, _ = strings.Cut(head, " ")
	m.arg = strings.TrimSpace(m.arg)
	if m.body = body; body != "" {
		m.body += "\n"
	}
	if !slices.Contains(kinds, m.kind) || m.arg == "" && !slices.Contains(bare, m.kind) {
		return fmt.Errorf("%s:%d: no such comment, or it says nothing: %q", r.name, m.line, head)
	}
	if m.kind == "file" && m.body != "" {
		r.loose = append(r.loose, m)
	} else {
		r.waiting = append(r.waiting, m)
	}
	return nil
}

func (r *reader) fenced() {
	indent := strings.Index(r.lines[r.at], "```")
	b := block{line: r.at + 2, lang: strings.TrimLeft(strings.TrimSpace(r.lines[r.at]), "`")}
	for r.at++; r.at < len(r.lines) && !strings.HasPrefix(strings.TrimSpace(r.lines[r.at]), "```"); r.at++ {
		b.lines = append(b.lines, strings.TrimPrefix(r.lines[r.at], strings.Repeat(" ", indent)))
	}
	r.at++
	r.add(b)
}

func (r *reader) indented() {
	line := r.lines[r.at]
	indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
	b := block{line: r.at + 1}
	for ; r.at < len(r.lines); r.at++ {
		line := r.lines[r.at]
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "    ") {
			break
		}
		b.lines = append(b.lines, strings.TrimPrefix(line, indent))
	}
	for strings.TrimSpace(b.lines[len(b.lines)-1]) == "" {
		b.lines = b.lines[:len(b.lines)-1]
	}
	r.add(b)
}

// table takes the calls of drayage out of a table.
func (r *reader) table() {
	b := block{line: r.at + 1}
	for ; r.at < len(r.lines) && strings.HasPrefix(r.lines[r.at], "|"); r.at++ {
		line := "" // one for each row, so that numbers of lines are right
		for _, m := range inCode.FindAllStringSubmatch(r.lines[r.at], -1) {
			if strings.Contains(m[1], "drayage ") {
				line = strings.ReplaceAll(m[1], `\|`, "|")
			}
		}
		b.lines = append(b.lines, line)
	}
	r.add(b)
}

func (r *reader) add(b block) {
	b.marks, r.waiting = r.waiting, nil
	r.blocks = append(r.blocks, b)
}

// find returns the first mark of a kind.
func (b block) find(kind string) (mark, bool) {
	i := slices.IndexFunc(b.marks, func(m mark) bool { return m.kind == kind })
	if i < 0 {
		return mark{}, false
	}
	return b.marks[i], true
}

var (
	typed   = regexp.MustCompile(`^(\$ |[A-Z_]+=\S+ )*([a-z0-9.-]+)( |$)`)
	drayage = regexp.MustCompile(`(^|\| *|&& |\$ |[A-Z_]+=\S+ |- |: )drayage [a-z]`)
)

// commands reports whether a block holds commands: it begins with one that is known, or drayage is called
// in it. A fence may say that it is something else, such as "json".
func (b block) commands(known func(program string) bool) bool {
	if !slices.Contains([]string{"", "sh", "console", "powershell", "text", "yaml"}, b.lang) {
		return false
	}
	for _, line := range b.lines {
		if drayage.MatchString(line) {
			return true
		}
	}
	for _, line := range b.lines {
		if m := typed.FindStringSubmatch(line); m != nil {
			return known(m[2])
		}
		if line != "" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return false
}

// step is one command as a person types it, and what the page says that it prints.
type step struct {
	line    int
	command string
	output  []string // nil if the page does not say
}

// steps takes a block apart. A command goes on where a line ends in \ or |, inside a loop, and up to the end
// of a here-document.
func (b block) steps() (all []step) {
	if b.lang == "yaml" {
		return b.job()
	}
	console := slices.ContainsFunc(b.lines, func(s string) bool { return strings.HasPrefix(s, "$ ") })
	var end string // what the command goes on to
	more := false
	for i, line := range b.lines {
		text := strings.TrimPrefix(line, "$ ")
		switch {
		case more:
			all[len(all)-1].command += "\n" + line
		case console && text == line && len(all) > 0:
			all[len(all)-1].output = append(all[len(all)-1].output, line)
			continue
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
			continue
		default:
			all = append(all, step{line: b.line + i, command: text})
			end = closing(text)
		}
		more = end != "" && strings.TrimSpace(line) != end || end == "" && goesOn.MatchString(line)
		if !more {
			end = ""
		}
	}
	return all
}

// job takes the calls of drayage out of the description of a job. What the forge fills in becomes "me".
func (b block) job() (all []step) {
	for i, line := range b.lines {
		if drayage.MatchString(line) {
			line = filled.ReplaceAllString(strings.TrimPrefix(strings.TrimSpace(line), "- "), "me")
			all = append(all, step{line: b.line + i, command: strings.TrimPrefix(line, "run: ")})
		}
	}
	return all
}

var filled = regexp.MustCompile(`\$\{\{[^}]*\}\}`)

var (
	goesOn   = regexp.MustCompile(`(\\|\||&&)\s*(#.*)?$`)
	document = regexp.MustCompile(`<<-?'?([A-Z]+)'?`)
)

// closing returns the line that ends a command of several lines, or "".
func closing(line string) string {
	if m := document.FindStringSubmatch(line); m != nil {
		return m[1]
	}
	for word, end := range map[string]string{"for ": "done", "while ": "done", "if ": "fi"} {
		if strings.HasPrefix(line, word) && !strings.HasSuffix(line, end) {
			return end
		}
	}
	return ""
}
