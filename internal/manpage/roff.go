package manpage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	sourceColumns  = 78 // of a line of roff: mandoc finds more than 80 bad style, and \& may follow
	literalColumns = 71 // of a line that man indents by 7 and does not break, in 80 columns
)

// roff is a man page as it grows.
type roff struct{ strings.Builder }

func (r *roff) line(text string) { r.WriteString(text + "\n") }

// macro writes a request with arguments that may hold anything.
func (r *roff) macro(name string, args ...string) {
	r.WriteString("." + name)
	for _, a := range args {
		r.WriteString(` "` + escape(a) + `"`)
	}
	r.WriteString("\n")
}

var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`,
	`"`, `\(dq`, "\n", " ")

// escape makes text come out as it is, also for copying: a hyphen, a quote and a tilde are ASCII.
func escape(text string) string {
	var b strings.Builder
	for _, c := range escapes.Replace(text) {
		if c < utf8.RuneSelf {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, c)
		}
	}
	return b.String()
}

// option is a flag in running text.
var option = regexp.MustCompile(`--[a-z][a-z-]+`)

// prose writes text that man fills.
func (r *roff) prose(text string) {
	var words []string
	for _, w := range strings.Fields(text) {
		w = escape(w)
		words = append(words, option.ReplaceAllString(strings.ReplaceAll(w, `\-`, "-"), `\fB${0}\fR`))
	}
	for i, w := range words {
		words[i] = strings.ReplaceAll(w, "-", `\-`)
	}
	r.words(words)
}

// words writes words that are escaped already. A sentence ends with its line: man puts the same space behind
// each then.
func (r *roff) words(words []string) {
	line := ""
	for i, w := range words {
		if line != "" && len(line)+1+len(w) > sourceColumns {
			r.filled(line, false)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
		if last := i == len(words)-1; last || isSentenceEnd(w) {
			r.filled(line, true)
			line = ""
		}
	}
}

// filled writes one line of running text.
func (r *roff) filled(line string, end bool) {
	if strings.HasPrefix(line, ".") {
		line = `\&` + line
	}
	if !end && (strings.HasSuffix(line, ".") || strings.HasSuffix(line, "?")) {
		line += `\&` // dots that end no sentence
	}
	r.line(line)
}

func isSentenceEnd(word string) bool {
	return strings.HasSuffix(word, ".") && !strings.HasSuffix(word, "..")
}

// literal writes lines that stay as they are, such as commands to type. Wide ones are indented as on the help
// page, which is less than man does.
func (r *roff) literal(lines []string) {
	wide := slices.ContainsFunc(lines, func(l string) bool { return utf8.RuneCountInString(l) > literalColumns })
	if wide {
		r.line(".in 3n")
	}
	r.line(".EX")
	for _, l := range lines {
		if l = escape(l); strings.HasPrefix(l, ".") {
			l = `\&` + l
		}
		r.line(l)
	}
	r.line(".EE")
	if wide {
		r.line(".in")
	}
}

// head writes the head of an entry in bold, and the placeholder behind an option in italics.
func head(text string) string {
	var words []string
	option := false // the last word was one
	for _, w := range strings.Fields(text) {
		bare, font := strings.TrimSuffix(w, ","), `\fB`
		if option && !strings.HasPrefix(w, "-") {
			font = `\fI`
		}
		option = strings.HasPrefix(w, "-")
		words = append(words, font+escape(bare)+`\fR`+w[len(bare):])
	}
	return strings.Join(words, " ")
}

// usage writes the form of a command: what is typed as it is bold, placeholders in italics.
func usage(text string) (words []string) {
	for _, w := range strings.Fields(text) {
		if placeholder.MatchString(w) {
			w = placeholder.ReplaceAllStringFunc(escape(w), func(p string) string { return `\fI` + p + `\fR` })
		} else {
			w = `\fB` + escape(w) + `\fR`
		}
		words = append(words, w)
	}
	return words
}

// placeholder is a word that stands for another one, such as DIR.
var placeholder = regexp.MustCompile(`[A-Z]{2,}|\bN\b`)
