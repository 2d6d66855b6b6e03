package book

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// body renders the Markdown of a page.
func (p *page) body() ([]byte, error) {
	md := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(
		renderer.WithNodeRenderers(util.Prioritized(elements{}, 1))))
	var b bytes.Buffer
	err := md.Renderer().Render(&b, p.raw, p.doc)
	return b.Bytes(), err
}

// elements renders what the site shows in a way of its own.
type elements struct{}

func (elements) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, renderHeading)
	r.Register(ast.KindCodeSpan, renderSpan)
	r.Register(ast.KindCodeBlock, renderCode)
	r.Register(ast.KindFencedCodeBlock, renderCode)
	r.Register(ast.KindHTMLBlock, renderKept)
	r.Register(ast.KindRawHTML, renderKept)
	r.Register(tables.KindTable, renderTable)
}

// renderHeading puts a link to the heading behind it.
func renderHeading(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	level := n.(*ast.Heading).Level
	value, _ := n.AttributeString("id")
	id, _ := value.([]byte)
	switch {
	case entering:
		fmt.Fprintf(w, "<h%d id=\"%s\">", level, id)
	case level == 1:
		w.WriteString(endOfTitle)
	default:
		fmt.Fprintf(w, "<a class=\"anchor\" href=\"#%s\" aria-label=\"Link to this section\">#</a>", id)
		fmt.Fprintf(w, "</h%d>\n", level)
	}
	return ast.WalkContinue, nil
}

// renderSpan keeps a short piece of code in one line: a flag that is broken behind its hyphens is no flag.
func renderSpan(w util.BufWriter, raw []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	const short = 28
	if entering {
		class := ""
		text := plain(n, raw)
		if len(text) <= short {
			class = " class=\"short\""
		}
		fmt.Fprintf(w, "<code%s>%s</code>", class, html.EscapeString(text))
	}
	return ast.WalkSkipChildren, nil
}

// renderTable lets a wide table scroll by itself.
func renderTable(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		w.WriteString("</table></div>\n")
		return ast.WalkContinue, nil
	}
	class := "table"
	if len(n.(*tables.Table).Alignments) > 6 {
		class = "table wide"
	}
	fmt.Fprintf(w, "<div class=\"%s\"><table>\n", class)
	return ast.WalkContinue, nil
}

func renderKept(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		if value, ok := n.AttributeString(kept); ok {
			w.Write(value.([]byte))
		}
	}
	return ast.WalkSkipChildren, nil
}

// A block of code stands in a box, in which the script puts the button that copies.
const (
	codeBegin = "<div class=\"code\"><pre><code>"
	codeEnd   = "</code></pre></div>\n"
)

func renderCode(w util.BufWriter, raw []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	language := ""
	if f, ok := n.(*ast.FencedCodeBlock); ok {
		language = string(f.Language(raw))
	}
	w.WriteString(codeBegin + colour(string(n.Lines().Value(raw)), language) + codeEnd)
	return ast.WalkSkipChildren, nil
}

var (
	prompt  = regexp.MustCompile(`^( *)\$ (.*)$`)
	comment = regexp.MustCompile(`(^|\s)(# .*)$`)
)

// colour marks what is not typed: prompts, and comments of a shell or of YAML.
func colour(code, language string) string {
	code = strings.TrimRight(code, "\n")
	switch language {
	case "", "sh", "bash", "shell", "console", "yaml", "toml", "text":
	default:
		return html.EscapeString(code)
	}
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		start := ""
		if m := prompt.FindStringSubmatch(line); m != nil {
			start, line = m[1]+`<span class="prompt">$ </span>`, m[2]
		}
		if m := comment.FindStringSubmatchIndex(line); m != nil {
			said := `<span class="comment">` + html.EscapeString(line[m[4]:]) + "</span>"
			line = html.EscapeString(line[:m[4]]) + said
		} else {
			line = html.EscapeString(line)
		}
		lines[i] = start + line
	}
	return strings.Join(lines, "\n")
}
