// Package notices finds the licences of everything that is linked into a binary.
package notices

import (
	"bufio"
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"drayage/release/build"
)

// Module is a module that a binary is built of, or the standard library.
type Module struct {
	Path    string // std for the standard library
	Version string
	Sum     string // as in go.sum; the standard library has none
	Licence string // an expression of SPDX
	Texts   []Text
}

// Text is one file with a licence or notice.
type Text struct {
	Name string // from the root of the module
	Body []byte
}

// Of returns the modules of a binary, sorted by path, each with its licences. A module without one is an
// error: nobody may pass on what has no licence.
func Of(ctx context.Context, src build.Source, t build.Target, binary string) ([]Module, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	linked, err := directories(ctx, src, t)
	if err != nil {
		return nil, err
	}
	goroot, err := src.Go(ctx, t, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	std := Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}
	all := []Module{std}
	places := map[string]place{"std": {root: goroot, dirs: []string{goroot}}}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			return nil, fmt.Errorf("%s is replaced by %s: a release is built of published modules",
				dep.Path, dep.Replace.Path)
		}
		at, ok := linked[dep.Path]
		if !ok {
			return nil, fmt.Errorf("%s is in %s, but go list does not have it", dep.Path, binary)
		}
		places[dep.Path] = at
		all = append(all, Module{Path: dep.Path, Version: dep.Version, Sum: dep.Sum})
	}
	for i := range all {
		m := &all[i]
		if m.Texts, err = places[m.Path].texts(); err != nil {
			return nil, err
		}
		if len(m.Texts) == 0 {
			return nil, fmt.Errorf("%s %s has no file with a licence in %s", m.Path, m.Version, places[m.Path].root)
		}
		if m.Licence = licence(m.Texts); m.Licence == "" {
			return nil, fmt.Errorf("%s %s: the licence in %s is not known: enter it in package notices",
				m.Path, m.Version, m.Texts[0].Name)
		}
	}
	slices.SortFunc(all, func(a, b Module) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

// place is where a module is on the disk, and which of its directories are linked.
type place struct {
	root string
	dirs []string
}

// directories asks the go command which packages the binary is built of, by the path of their module.
func directories(ctx context.Context, src build.Source, t build.Target) (map[string]place, error) {
	const format = "{{with .Module}}{{.Path}}\t{{.Dir}}{{end}}\t{{.Dir}}"
	out, err := src.Go(ctx, t, "list", "-deps", "-f", format, "./cmd/drayage")
	if err != nil {
		return nil, err
	}
	all := map[string]place{}
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
		fields := strings.Split(s.Text(), "\t")
		if len(fields) != 3 { // the standard library
			continue
		}
		at := all[fields[0]]
		at.root, at.dirs = fields[1], append(at.dirs, fields[2])
		all[fields[0]] = at
	}
	return all, nil
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|copyright|notice|patents)([.-].*)?$`)

// texts reads the files with licences of the linked directories and of those above them. Those of the root
// come first: code that was copied into a module has its licence further down.
func (p place) texts() ([]Text, error) {
	dirs := map[string]bool{p.root: true}
	for _, d := range p.dirs {
		for ; len(d) > len(p.root); d = filepath.Dir(d) {
			dirs[d] = true
		}
	}
	var texts []Text
	for _, d := range slices.Sorted(maps.Keys(dirs)) {
		entries, err := os.ReadDir(d)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || !licenceName.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			body, err := os.ReadFile(filepath.Join(d, e.Name()))
			if err != nil {
				return nil, err
			}
			name, err := filepath.Rel(p.root, filepath.Join(d, e.Name()))
			if err != nil {
				return nil, err
			}
			texts = append(texts, Text{filepath.ToSlash(name), body})
		}
	}
	return texts, nil
}

// Write writes what THIRD-PARTY-NOTICES says: a list of the modules, and behind it every text.
func Write(w io.Writer, title string, all []Module) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s is built of the modules below. The texts of their licences follow.\n\n", title)
	for _, m := range all {
		fmt.Fprintf(b, "    %s %s (%s)\n", m.name(), m.Version, m.Licence)
	}
	for _, m := range all {
		for _, t := range m.Texts {
			fmt.Fprintf(b, "\n%s\n%s %s: %s\n\n", strings.Repeat("-", 80), m.name(), m.Version, t.Name)
			b.Write(bytes.TrimRight(bytes.ReplaceAll(t.Body, []byte("\r\n"), []byte("\n")), "\n"))
			b.WriteByte('\n')
		}
	}
	return b.Flush()
}

func (m Module) name() string {
	if m.Path == "std" {
		return "Go and its standard library"
	}
	return m.Path
}
