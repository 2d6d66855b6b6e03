package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root = "../.."

	maxFunction = 80 // lines, of functions that are no tests
	maxFile     = 400
	maxTestFile = 700
)

// source is a parsed file of the tree.
type source struct {
	path  string // from the root
	file  *ast.File
	set   *token.FileSet
	lines int
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// inCommand reports whether the file is part of a command: that of the product, or one of the nested test module.
func (s source) inCommand() bool {
	return strings.HasPrefix(s.path, "cmd/") || strings.HasPrefix(s.path, "test/")
}

// sources parses every Go file of the tree.
func sources(t *testing.T) (all []source) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() && rel != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"bin", "testdata"}, d.Name())) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(rel, ".go") {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, rel, raw, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{filepath.ToSlash(rel), file, set, strings.Count(string(raw), "\n")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all, func(s source) bool { return s.path == "internal/architecture/doc.go" }) {
		t.Fatalf("%d files found, and this package is not among them", len(all))
	}
	return all
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, s := range sources(t) {
		limit := maxFile
		if s.isTest() {
			limit = maxTestFile
		}
		if s.lines > limit {
			t.Errorf("%s has %d lines, more than %d", s.path, s.lines, limit)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || s.isTest() {
				continue
			}
			if n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1; n > maxFunction {
				t.Errorf("%s: %s has %d lines, more than %d", s.path, f.Name.Name, n, maxFunction)
			}
		}
	}
}

// forbidden is what libraries do not do: end the process, print, or wait and work where no context reaches them.
var forbidden = map[string][]string{
	"os":       {"Exit", "Stdin", "Stdout", "Stderr"},
	"fmt":      {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"time":     {"Sleep"},
	"context":  {"Background", "TODO"},
	"log":      nil, // nil: nothing of it
	"log/slog": nil,
}

func TestLibrariesDoNotPrintExitOrSleep(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || s.inCommand() {
			continue
		}
		names := map[string]string{} // in this file -> import path
		for _, i := range s.file.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			words, watched := forbidden[path]
			if watched && words == nil {
				t.Errorf("%s imports %s", s.path, path)
			}
			name := path[strings.LastIndex(path, "/")+1:]
			if i.Name != nil {
				name = i.Name.Name
			}
			names[name] = path
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(forbidden[names[x.Name]], sel.Sel.Name) {
				t.Errorf("%s: %s.%s is for the command", s.set.Position(sel.Pos()), x.Name, sel.Sel.Name)
			}
			return true
		})
	}
}

// TestPackagesSayWhatTheyAre asks for a package comment.
func TestPackagesSayWhatTheyAre(t *testing.T) {
	said := map[string]bool{}
	for _, s := range sources(t) {
		if !s.isTest() {
			dir := filepath.Dir(s.path)
			said[dir] = said[dir] || s.file.Doc != nil
		}
	}
	for dir, ok := range said {
		if !ok {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

// TestFuzzTargetsHaveSeeds finds fuzz targets that add no seed: without one, go test runs them on nothing.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	targets := 0
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !s.isTest() || !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			targets++
			adds := false
			ast.Inspect(f, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				adds = adds || ok && sel.Sel.Name == "Add"
				return true
			})
			if !adds {
				t.Errorf("%s: %s has no seeds", s.path, f.Name.Name)
			}
		}
	}
	if targets == 0 {
		t.Error("no fuzz target found")
	}
}
