// Package modulepath gives a tree of Go modules another path: that of the place where the project has its
// home.
package modulepath

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// Set changes the path of the module at root, and of the modules nested in it, to path: in go.mod files, in
// imports, and in constants of the name module. It returns the files that it has changed.
func Set(root, path string) (changed []string, err error) {
	if err := module.CheckPath(path); err != nil {
		return nil, fmt.Errorf("no path for a module: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	r := renamer{old: modfile.ModulePath(text), new: path}
	if r.old == "" {
		return nil, fmt.Errorf("%s/go.mod names no module", root)
	}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && skipped(d.Name()):
			return fs.SkipDir
		case d.IsDir(), d.Name() != "go.mod" && filepath.Ext(name) != ".go":
			return nil
		}
		before, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		after, err := r.file(name, before)
		if err != nil || bytes.Equal(before, after) {
			return err
		}
		changed = append(changed, name)
		return os.WriteFile(name, after, 0o644)
	})
	return changed, err
}

func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "bin", "dist", "vendor"}, name)
}

type renamer struct{ old, new string }

// path is what becomes of a path of a module or package, and whether it changes.
func (r renamer) path(p string) (string, bool) {
	rest, ok := strings.CutPrefix(p, r.old)
	if !ok || rest != "" && rest[0] != '/' {
		return p, false
	}
	return r.new + rest, r.new != r.old
}

func (r renamer) file(name string, text []byte) ([]byte, error) {
	if filepath.Base(name) == "go.mod" {
		return r.goMod(name, text)
	}
	return r.source(name, text)
}

func (r renamer) goMod(name string, text []byte) ([]byte, error) {
	f, err := modfile.Parse(name, text, nil)
	if err != nil {
		return nil, err
	}
	if p, ok := r.path(f.Module.Mod.Path); ok {
		if err := f.AddModuleStmt(p); err != nil {
			return nil, err
		}
	}
	for _, req := range f.Require {
		r.line(req.Syntax, req.Mod.Path)
	}
	for _, rep := range f.Replace {
		r.line(rep.Syntax, rep.Old.Path)
	}
	f.SortBlocks()
	return f.Format()
}

// line changes a path where it stands in a line, so that the line stays in its block.
func (r renamer) line(l *modfile.Line, path string) {
	to, ok := r.path(path)
	if i := slices.Index(l.Token, modfile.AutoQuote(path)); ok && i >= 0 {
		l.Token[i] = modfile.AutoQuote(to)
	}
}

// source changes a Go file where it stands for the path, and nowhere else.
func (r renamer) source(name string, text []byte) ([]byte, error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var literals []*ast.BasicLit
	for _, i := range f.Imports {
		literals = append(literals, i.Path)
	}
	literals = append(literals, constants(f)...)
	// The last one comes first: what is before it keeps its place.
	slices.SortFunc(literals, func(a, b *ast.BasicLit) int { return int(b.Pos() - a.Pos()) })
	out, any := slices.Clone(text), false
	for _, l := range literals {
		value, err := strconv.Unquote(l.Value)
		if err != nil {
			return nil, err
		}
		if p, ok := r.path(value); ok {
			out = slices.Replace(out, set.Position(l.Pos()).Offset, set.Position(l.End()).Offset,
				[]byte(strconv.Quote(p))...)
			any = true
		}
	}
	if !any {
		return text, nil
	}
	return format.Source(out) // imports may have another order now
}

// constants are the values of constants of the name module.
func constants(f *ast.File) (values []*ast.BasicLit) {
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if len(v.Names) != 1 || v.Names[0].Name != "module" || len(v.Values) != 1 {
				continue
			}
			if l, ok := v.Values[0].(*ast.BasicLit); ok && l.Kind == token.STRING {
				values = append(values, l)
			}
		}
	}
	return values
}
