package imagenames

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"drayage/internal/limits"
	"drayage/internal/plaintext"
	"drayage/internal/usage"
)

// open reads a file that another one leads to.
func (f *Finder) open(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if f.files++; f.files > limits.NamesFiles {
		return nil, usage.Errorf("more than %d files lead to each other", limits.NamesFiles)
	}
	if !info.Mode().IsRegular() {
		return nil, usage.Errorf("it is no file")
	}
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := readWhole(r)
	return plaintext.UTF8(raw), err
}

// reason is an error without the path that it is about.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// load reads a file that another one leads to, and returns its first document.
func (f *Finder) load(path string) (*yaml.Node, error) {
	raw, err := f.open(path)
	if err != nil {
		return nil, reason(err)
	}
	docs, err := parse(piece{line: 1, text: raw})
	switch {
	case len(docs) > 0:
		return docs[len(docs)-1], nil
	case err == nil:
		err = usage.Errorf("it is empty")
	}
	return nil, err
}

// pairOf tells with which file a Compose file belongs together: an override file with the one that it
// changes, and the other way round. Both have been given.
func (f *Finder) pairOf(file string) (main, override string) {
	dir, name := filepath.Split(file)
	if stem, found := strings.CutSuffix(strings.TrimSuffix(name, filepath.Ext(name)), ".override"); found {
		return f.given(dir, stem), ""
	}
	return "", f.given(dir, strings.TrimSuffix(name, filepath.Ext(name))+".override")
}

func (f *Finder) given(dir, stem string) string {
	for _, ext := range []string{".yaml", ".yml"} {
		if path := dir + stem + ext; slices.Contains(f.Given, path) {
			return path
		}
	}
	return ""
}

// override lays the services of another file over those of the project.
func (p *project) override(path string) {
	n, err := p.load(path)
	if err != nil {
		p.missing(path, 0, "%v", err)
		return
	}
	over := &project{Finder: p.Finder, tree: p.tree, file: path, env: p.env}
	over.read(n)
	for _, s := range over.all {
		p.add(s)
	}
}

// noteOverride says that docker compose up would read one more file.
func (f *Finder) noteOverride(file string) {
	dir, name := filepath.Split(file)
	stem := strings.TrimSuffix(name, filepath.Ext(name))
	if stem != "compose" && stem != "docker-compose" {
		return
	}
	for _, ext := range []string{".yaml", ".yml"} {
		if path := dir + stem + ".override" + ext; f.exists(path) {
			f.note(file, 0, "%s beside it was not given: docker compose up reads it too", filepath.Base(path))
		}
	}
}

func (f *Finder) exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// include takes the services of another Compose file, which is a project of its own.
func (p *project) include(n *yaml.Node) {
	paths := p.tree.texts(n)
	if isMapping(n) {
		paths = p.tree.texts(p.tree.at(n, "path"))
	}
	dir := p.tree.textAt(n, "project_directory")
	for i, path := range paths {
		vars := interpolation{get: p.env}
		path, err := vars.all(path, 0)
		if err == nil && (strings.Contains(path, "://") || strings.Contains(path, "@")) {
			err = usage.Errorf("it is elsewhere: give the file itself")
		}
		var doc *yaml.Node
		at := p.beside(path)
		if err == nil {
			doc, err = p.below(at)
		}
		if err != nil {
			p.missing(p.file, n.Line, "include %q: %v", path, err)
			continue
		}
		if dir == "" && i == 0 {
			dir = filepath.Dir(at)
		}
		in := &project{Finder: p.Finder, tree: p.tree, file: at, env: p.within(dir), deep: p.deep + 1}
		in.read(doc)
		for _, s := range in.all {
			p.add(s)
		}
	}
}

// within are the variables for files in another directory: those of the project go before.
func (p *project) within(dir string) variables {
	inner := p.environment(dir)
	return func(name string) (string, bool) {
		if v, set := p.env(name); set {
			return v, true
		}
		return inner(name)
	}
}

// below loads a file that this one leads to.
func (p *project) below(path string) (*yaml.Node, error) {
	if p.deep >= limits.NamesNested {
		return nil, usage.Errorf("too many files lead to each other")
	}
	return p.load(path)
}

// beside is a path that a Compose file gives, from where the file lies.
func (p *project) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(p.file), filepath.FromSlash(path))
}

// extend gives a service what it has from another one.
func (p *project) extend(s *service, n *yaml.Node) {
	name, file := p.tree.textAt(n, "service"), p.tree.textAt(n, "file")
	if text, ok := p.tree.text(n); ok {
		name = text
	}
	doc, other := p.root, p
	if file != "" {
		vars := interpolation{get: p.env}
		path, err := vars.all(file, 0)
		if err == nil {
			other = &project{Finder: p.Finder, tree: p.tree, file: p.beside(path), env: p.env}
			doc, err = p.below(other.file)
		}
		if err != nil {
			p.missing(p.file, n.Line, "service %s extends %q: %v", s.name, file, err)
			return
		}
	}
	other = &project{Finder: p.Finder, tree: p.tree, file: other.file, env: p.env, deep: p.deep + 1, root: doc}
	for _, b := range p.tree.pairs(p.tree.at(doc, "services")) {
		if b.key.Value == name && p.deep < limits.NamesNested {
			s.inherit(other.service(b.key, b.value))
			return
		}
	}
	p.missing(p.file, n.Line, "service %s extends %s, which is not there", s.name, name)
}

// inherit takes what a service has not.
func (s *service) inherit(from *service) {
	if s.image == nil {
		s.image = from.image
	}
	if s.build == 0 {
		s.build = from.build
	}
	s.volumes = append(s.volumes, from.volumes...)
}
