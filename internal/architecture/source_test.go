package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// source is a Go file of the tree.
type source struct {
	path string // from the root
	text string
	file *ast.File
	set  *token.FileSet
}

// line is where a position is.
func (s source) line(p token.Pos) int { return s.set.Position(p).Line }

func (s source) lines() int { return strings.Count(s.text, "\n") }

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// nested are the modules of their own, which are no part of the product: tests, releases, the site.
var nested = []string{"test/", "release/", "site/"}

func (s source) inNested() bool {
	return slices.ContainsFunc(nested, func(dir string) bool { return strings.HasPrefix(s.path, dir) })
}

// isProduct reports whether the file is part of what users get: neither a test nor made for tests.
func (s source) isProduct() bool {
	return !s.isTest() && !s.inNested() && !isTestOnly(path.Dir(s.path))
}

// inCommand reports whether the file is part of a command, of the product or of a nested module.
func (s source) inCommand() bool { return strings.HasPrefix(s.path, "cmd/") || s.inNested() }

// files reads the files of the tree with a suffix, by their path from the root.
func files(t *testing.T, suffix string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		skipped := strings.HasPrefix(d.Name(), ".") && name != "." ||
			slices.Contains([]string{"bin", "dist", "testdata"}, d.Name())
		switch {
		case err != nil:
			return err
		case d.IsDir() && skipped:
			return fs.SkipDir
		case d.IsDir(), !strings.HasSuffix(name, suffix):
			return nil
		}
		raw, err := os.ReadFile(filepath.Join(root, name))
		all[name] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sources parses every Go file of the tree.
func sources(t *testing.T) (all []source) {
	t.Helper()
	for name, text := range files(t, ".go") {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, source{name, text, file, set})
	}
	isThis := func(s source) bool { return s.path == "internal/architecture/doc.go" }
	if !slices.ContainsFunc(all, isThis) {
		t.Fatalf("%d files found, and this package is not among them", len(all))
	}
	return all
}

// forbidden lists what libraries do not do: end the process, print, wait without a context, or make one.
var forbidden = map[string][]string{
	"os":       {"Exit", "Stdin", "Stdout", "Stderr"},
	"fmt":      {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"time":     {"Sleep"},
	"context":  {"Background", "TODO"},
	"log":      nil, // nil: nothing of it
	"log/slog": nil,
}

// takesServerLog is the one file that may know package log: net/http's server tells what it has to tell to
// nothing else.
const takesServerLog = "internal/front/complaints.go"

func TestLibrariesDoNotPrintExitOrSleep(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || s.inCommand() {
			continue
		}
		names := map[string]string{} // in this file -> import path
		for _, i := range s.file.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			words, watched := forbidden[path]
			if watched && words == nil && s.path != takesServerLog {
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
