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
	maxProductLines = 25_000 // of everything but tests and what is made for them
	maxCommandLines = 3_500  // of cmd/drayage without its tests
)

// notYet counts what still exceeds a limit. A number may only become smaller, and goes when the limit is met.
var notYet = map[string]int{
	"lines of the product":  25_200,
	"long lines of product": 4,
}

// generated documents are as their generators write them.
var generated = []string{"docs/reliability.md", "docs/benchmarks.md"}

// exceeding reports the things that exceed a limit if there are more of them than notYet allows.
func exceeding(t *testing.T, what string, all []string) {
	t.Helper()
	if len(all) <= notYet[what] {
		return
	}
	slices.Sort(all)
	t.Errorf("%s: %d, and there may be %d:\n%s", what, len(all), notYet[what], strings.Join(all, "\n"))
}

// total reports a number of lines above the limit, or above the number in notYet if that is higher.
func total(t *testing.T, what string, lines, limit int) {
	t.Helper()
	if most := max(limit, notYet[what]); lines > most {
		t.Errorf("%s: %d, and there may be %d", what, lines, most)
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
	total(t, "lines of the product", product, maxProductLines)
	total(t, "lines of cmd/drayage", command, maxCommandLines)
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
	long := map[string][]string{}
	for _, s := range sources(t) {
		what := "long lines of tests"
		if s.isProduct() {
			what = "long lines of product"
		}
		raw := rawLines(s)
		for i, line := range strings.Split(s.text, "\n") {
			if utf8.RuneCountInString(line) > maxColumns && (s.isProduct() || !raw[i+1]) {
				long[what] = append(long[what], fmt.Sprintf("%s:%d", s.path, i+1))
			}
		}
	}
	for name, text := range files(t, ".md") {
		if slices.Contains(generated, name) {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			if utf8.RuneCountInString(line) > maxColumns && !mayBeLong(line) {
				what := "long lines of documents"
				long[what] = append(long[what], fmt.Sprintf("%s:%d", name, i+1))
			}
		}
	}
	for what, all := range long {
		exceeding(t, what, all)
	}
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
// address.
func mayBeLong(line string) bool {
	if strings.HasPrefix(line, "|") {
		return true
	}
	for _, word := range strings.Fields(line) {
		if strings.Contains(word, "://") && utf8.RuneCountInString(word) > maxColumns/2 {
			return true
		}
	}
	return false
}
