package architecture

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestExportedNamesNoInternalType keeps what public packages export usable from outside the module. A program
// outside cannot import internal packages, so it can neither name nor make a value of their types.
func TestExportedNamesNoInternalType(t *testing.T) {
	load := loader(t)
	for _, pkg := range slices.Sorted(maps.Keys(public)) {
		loaded, err := load(module + "/" + pkg)
		if err != nil {
			t.Fatal(err)
		}
		exceeding(t, "exported things of "+pkg+" name an internal type", leaksOf(loaded))
	}
}

// TestLeaksAreFound has each way in which an exported thing can name an internal type.
func TestLeaksAreFound(t *testing.T) {
	inner := types.NewPackage(module+"/internal/inner", "inner")
	kind := types.NewTypeName(token.NoPos, inner, "Kind", nil)
	types.NewNamed(kind, types.Typ[types.Int], nil)
	inner.Scope().Insert(kind)
	inner.MarkComplete()
	const text = `package outer

import "drayage/internal/inner"

type Alias = inner.Kind
type List []inner.Kind
type Field struct{ Kind inner.Kind; hidden inner.Kind }
type Embedded struct{ inner.Kind }
type Method struct{}
func (*Method) Do(...inner.Kind) {}
func (*Method) hidden() inner.Kind { return 0 }
type Promoted struct{ part }
type part struct{ Name inner.Kind }
func (part) Kind() inner.Kind { return 0 }
type Interface interface{ Kind() (inner.Kind, error) }
type Generic[T Set] struct{ One T }
type Set interface{ ~string | inner.Kind }
var Table map[string]chan<- *inner.Kind
var Of Generic[inner.Kind]
const Zero inner.Kind = 0
func Func(func(inner.Kind)) {}
func Returned() *other { return nil }
type other struct{ part }
func hidden(inner.Kind) {}
var Clean, hidden2 = 1, inner.Kind(1)
type Quiet struct{ of inner.Kind }
`
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "outer.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	conf := types.Config{Importer: importerFunc(func(string) (*types.Package, error) { return inner, nil })}
	outer, err := conf.Check(module+"/outer", set, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, found := range leaksOf(outer) {
		name, _, _ := strings.Cut(found, ":")
		names = append(names, name)
	}
	want := []string{"Alias", "Embedded.Kind", "Field.Kind", "Func", "Interface.Kind", "List",
		"Method.Do", "Of", "Promoted.Kind", "Promoted.Name", "Returned.Kind", "Returned.Name", "Set",
		"Table", "Zero"}
	if slices.Sort(names); !slices.Equal(slices.Compact(names), want) {
		t.Errorf("found %v, not %v", names, want)
	}
}

type importerFunc func(path string) (*types.Package, error)

func (f importerFunc) Import(path string) (*types.Package, error) { return f(path) }

// loader returns a function that reads the type information which the compiler has kept of a package.
func loader(t *testing.T) func(path string) (*types.Package, error) {
	exports := map[string]string{}
	for _, l := range list(t, "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./...") {
		if len(l) == 2 {
			exports[l[0]] = l[1]
		}
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	return importer.ForCompiler(token.NewFileSet(), "gc", open).Import
}

// maxDepth bounds a way through unexported types that lead to each other.
const maxDepth = 4

// leaksOf lists the exported things of a package that name an internal type.
func leaksOf(pkg *types.Package) []string {
	l := leaks{pkg: pkg, seen: map[string]bool{}}
	for _, name := range pkg.Scope().Names() {
		if o := pkg.Scope().Lookup(name); o.Exported() {
			l.object(name, o)
		}
	}
	return l.found
}

// leaks searches what a package exports for types of internal packages.
type leaks struct {
	pkg   *types.Package
	seen  map[string]bool // a name and a type of the package, together looked at before
	found []string
}

// object looks at an exported object under its name.
func (l *leaks) object(name string, o types.Object) {
	if named, ok := o.(*types.TypeName); ok && !named.IsAlias() {
		l.declared(name, named.Type().(*types.Named))
		return
	}
	t := o.Type()
	if alias, ok := t.(*types.Alias); ok {
		t = alias.Rhs()
	}
	l.uses(name, t)
}

// declared looks at a type of the package: at its parts, and at its methods, those of embedded types
// included.
func (l *leaks) declared(name string, t *types.Named) {
	key := name + " " + t.Obj().Name()
	if l.seen[key] || strings.Count(name, ".") > maxDepth {
		return
	}
	l.seen[key] = true
	l.parameters(name, t.TypeParams())
	l.uses(name, t.Underlying())
	for m := range types.NewMethodSet(types.NewPointer(t)).Methods() {
		if m.Obj().Exported() {
			l.uses(name+"."+m.Obj().Name(), m.Type())
		}
	}
}

func (l *leaks) parameters(name string, list *types.TypeParamList) {
	for p := range list.TypeParams() {
		l.uses(name, p.Constraint())
	}
}

// uses looks at a type. A program outside reaches it under the given name.
func (l *leaks) uses(name string, t types.Type) {
	switch t := t.(type) {
	case *types.Alias:
		l.named(name, t.Obj(), t.TypeArgs())
	case *types.Named:
		l.named(name, t.Obj(), t.TypeArgs())
		if t.Obj().Pkg() == l.pkg && !t.Obj().Exported() {
			l.declared(name, t.Origin())
		}
	case *types.Map:
		l.uses(name, t.Key())
		l.uses(name, t.Elem())
	case interface{ Elem() types.Type }: // pointer, slice, array, channel
		l.uses(name, t.Elem())
	case *types.Signature:
		l.parameters(name, t.TypeParams())
		l.uses(name, t.Params())
		l.uses(name, t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			l.uses(name, v.Type())
		}
	case *types.Struct:
		for f := range t.Fields() {
			switch {
			case f.Exported():
				l.uses(name+"."+f.Name(), f.Type())
			case f.Embedded(): // what it has can be seen
				l.uses(name, f.Type())
			}
		}
	case *types.Interface:
		for m := range t.Methods() {
			l.uses(name+"."+m.Name(), m.Type())
		}
		for e := range t.EmbeddedTypes() {
			l.uses(name, e)
		}
	case *types.Union:
		for term := range t.Terms() {
			l.uses(name, term.Type())
		}
	}
}

// named notes a type that an internal package declares.
func (l *leaks) named(name string, o *types.TypeName, args *types.TypeList) {
	if p := o.Pkg(); p != nil && strings.HasPrefix(p.Path(), module+"/internal/") {
		l.found = append(l.found, fmt.Sprintf("%s: %s.%s", name, p.Name(), o.Name()))
	}
	for a := range args.Types() {
		l.uses(name, a)
	}
}
