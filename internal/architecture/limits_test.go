package architecture

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The limits of size. Lines are counted with their comments; a column is a rune, a tab too.
const (
	maxFunction     = 50     // lines of a function of the product
	maxNinetieth    = 26     // lines that nine of ten functions of the product do not exceed
	maxFile         = 350    // lines of a file
	maxTestFile     = 700    // lines of a file of tests
	maxParameters   = 5      // besides the receiver
	maxColumns      = 110    // of a line of Go or Markdown
	maxProductLines = 96_000 // of everything but tests and what is made for them
	maxCommandLines = 11_400 // of cmd/drayage without its tests
)

// exceeding reports the things that exceed a limit.
func exceeding(t *testing.T, what string, all []string) {
	t.Helper()
	if len(all) > 0 {
		slices.Sort(all)
		t.Errorf("%d %s:\n%s", len(all), what, strings.Join(all, "\n"))
	}
}

func TestProductIsSmall(t *testing.T) {
	product, command := 0, 0
	for _, s := range sources(t) {
		if !s.isProduct() {
			continue
		}
		product += s.lines()
		if path.Dir(s.path) == "cmd/drayage" {
			command += s.lines()
		}
	}
	if product > maxProductLines || command > maxCommandLines {
		t.Errorf("the product has %d lines, %d of them in cmd/drayage", product, command)
	}
}

func TestFilesAreShort(t *testing.T) {
	var long []string
	for _, s := range sources(t) {
		limit := maxFile
		if s.isTest() {
			limit = maxTestFile
		}
		if n := s.lines(); n > limit {
			long = append(long, fmt.Sprintf("%s has %d lines, more than %d", s.path, n, limit))
		}
	}
	exceeding(t, "long files", long)
}

func TestFunctionsAreShort(t *testing.T) {
	var lengths []int
	var long, wide []string
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !s.isProduct() {
				continue
			}
			n := s.line(f.End()) - s.line(f.Pos()) + 1
			lengths = append(lengths, n)
			if n > maxFunction {
				long = append(long, fmt.Sprintf("%s: %s has %d lines", s.path, f.Name.Name, n))
			}
			if n := f.Type.Params.NumFields(); n > maxParameters {
				wide = append(wide, fmt.Sprintf("%s: %s has %d parameters", s.path, f.Name.Name, n))
			}
		}
	}
	exceeding(t, "long functions", long)
	exceeding(t, "parameters", wide)
	slices.Sort(lengths)
	if n := lengths[len(lengths)*9/10]; n > maxNinetieth {
		t.Errorf("nine of ten functions have up to %d lines, more than %d", n, maxNinetieth)
	}
}

func TestLinesAreShort(t *testing.T) {
	var long []string
	for _, s := range sources(t) {
		raw := rawLines(s)
		for i, line := range strings.Split(s.text, "\n") {
			if utf8.RuneCountInString(line) > maxColumns && (s.isProduct() || !raw[i+1]) {
				long = append(long, fmt.Sprintf("%s:%d", s.path, i+1))
			}
		}
	}
	for name, text := range files(t, ".md") {
		for i, line := range strings.Split(text, "\n") {
			if utf8.RuneCountInString(line) > maxColumns && !mayBeLong(line) {
				long = append(long, fmt.Sprintf("%s:%d", name, i+1))
			}
		}
	}
	exceeding(t, "long lines", long)
}

// rawLines are the lines with raw strings, which cannot be divided. Tests have JSON and names of cases in
// them.
func rawLines(s source) map[int]bool {
	lines := map[int]bool{}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && strings.HasPrefix(lit.Value, "`") {
			for i := s.line(lit.Pos()); i <= s.line(lit.End()); i++ {
				lines[i] = true
			}
		}
		return true
	})
	return lines
}

// mayBeLong reports whether a line of Markdown cannot be divided: it is a row of a table, or holds a long
// address or digest.
func mayBeLong(line string) bool {
	if strings.HasPrefix(line, "|") {
		return true
	}
	for _, word := range strings.Fields(line) {
		whole := strings.Contains(word, "://") || strings.Contains(word, "@sha256:")
		if whole && utf8.RuneCountInString(word) > maxColumns/2 {
			return true
		}
	}
	return false
}
