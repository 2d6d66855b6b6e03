package imagenames

import (
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"drayage/internal/limits"
)

// service is a service of a Compose file, as far as images matter.
type service struct {
	name     string
	image    *placed // or nil
	build    int     // line of build, or 0
	line     int
	profiles []string
	volumes  []placed // images that are mounted
	project  *project
}

// placed is a text and where it stands.
type placed struct {
	text string
	file string
	line int
}

// project is a Compose file with what it includes and extends.
type project struct {
	*Finder
	tree  *tree
	file  string
	env   variables
	all   []*service // each name once, in their order
	named map[string]*service
	root  *yaml.Node
	deep  int // files or services above this one
}

// compose takes the names of a Compose file. A file called compose.override.yaml is read with the
// compose.yaml beside it, if both are given.
func (f *Finder) compose(t *tree, n *yaml.Node, file string) {
	main, override := f.pairOf(file)
	if main != "" {
		return
	}
	p := &project{Finder: f, tree: t, file: file, env: f.environment(filepath.Dir(file))}
	p.read(n)
	if override != "" {
		p.override(override)
	} else {
		f.noteOverride(file)
	}
	p.finish()
}

// read takes the services of a file.
func (p *project) read(n *yaml.Node) {
	p.root = n
	for _, s := range p.tree.pairs(p.tree.at(n, "services")) {
		if !strings.HasPrefix(s.key.Value, "x-") {
			p.add(p.service(s.key, s.value))
		}
	}
	for _, c := range p.tree.list(p.tree.at(n, "include")) {
		p.include(c)
	}
}

func (p *project) service(key, n *yaml.Node) *service {
	s := &service{name: key.Value, line: key.Line, project: p}
	if b := p.tree.at(n, "build"); b != nil && b.ShortTag() != "!!null" {
		s.build = b.Line
	}
	s.profiles = p.tree.texts(p.tree.at(n, "profiles"))
	at := p.tree.at(n, "image")
	if at != nil && at.Tag == "!reset" { // in an override file
		s.image = &placed{"", p.file, at.Line}
	} else if text, ok := p.tree.text(at); ok {
		s.image = &placed{text, p.file, at.Line}
	}
	for _, v := range p.tree.list(p.tree.at(n, "volumes")) {
		if p.tree.textAt(v, "type") == "image" {
			if from := p.tree.at(v, "source"); from != nil {
				s.volumes = append(s.volumes, placed{from.Value, p.file, from.Line})
			}
		}
	}
	if e := p.tree.at(n, "extends"); e != nil {
		p.extend(s, e)
	}
	if s.image == nil && p.tree.at(n, "provider") != nil {
		s.build = -1 // something else than a container
	}
	return s
}

// add enters a service, or lays it over one of the same name.
func (p *project) add(s *service) {
	old := p.named[s.name]
	if old == nil {
		if p.named == nil {
			p.named = map[string]*service{}
		}
		p.named[s.name] = s
		p.all = append(p.all, s)
		return
	}
	if s.image != nil {
		old.image, old.project = s.image, s.project
	}
	old.build = max(old.build, s.build)
	old.volumes = append(old.volumes, s.volumes...)
	if len(s.profiles) > 0 {
		old.profiles = s.profiles
	}
}

// finish takes the names of the services that are active.
func (p *project) finish() {
	active := p.profiles()
	var idle []string
	first := 0
	for _, s := range p.all {
		on := len(s.profiles) == 0 || active["*"] ||
			slices.ContainsFunc(s.profiles, func(n string) bool { return active[n] })
		if !on {
			idle = append(idle, s.profiles...)
			if first == 0 {
				first = s.line
			}
			continue
		}
		s.project.takeService(s)
	}
	slices.Sort(idle)
	if idle = slices.Compact(idle); len(idle) > 0 {
		p.note(p.file, first, "services with a profile are left out: --profile takes them (%s), "+
			"--profile '*' takes all", strings.Join(idle[:min(len(idle), 10)], ", "))
	}
}

func (p *project) profiles() map[string]bool {
	active := map[string]bool{}
	names := p.Profiles
	if list, set := p.env("COMPOSE_PROFILES"); set && len(names) == 0 {
		names = strings.Split(list, ",")
	}
	for _, n := range names {
		active[strings.TrimSpace(n)] = true
	}
	return active
}

func (p *project) takeService(s *service) {
	in := "service " + s.name
	for _, v := range s.volumes {
		p.expand(v, in)
	}
	switch {
	case s.image == nil || s.image.text == "":
		if s.build > 0 {
			p.note(p.file, s.build, "%s is built here and has no image: docker save takes what was built", in)
		} else if s.build == 0 && !p.elsewhere() {
			p.note(p.file, s.line, "%s has neither image nor build", in)
		}
	case s.build > 0:
		if p.expand(*s.image, in) {
			p.note(s.image.file, s.image.line, "%s is built here too: its image may be in no registry", in)
		}
	default:
		p.expand(*s.image, in)
	}
}

// elsewhere reports whether more Compose files were given, which may say what a service is.
func (p *project) elsewhere() bool {
	return slices.ContainsFunc(p.Given, func(g string) bool {
		return g != p.file && filepath.Dir(g) == filepath.Dir(p.file)
	})
}

// expand takes the name that a text with variables stands for.
func (p *project) expand(at placed, in string) bool {
	vars := interpolation{get: p.env}
	name, err := vars.all(at.text, 0)
	if err != nil {
		p.missing(at.file, at.line, "%s: %v", in, err)
		return false
	}
	unset := strings.Join(slices.Compact(vars.unset), ", ")
	switch wrong := p.wrong(strings.TrimSpace(name)); {
	case unset == "" && name == "":
		p.missing(at.file, at.line, "%s: its image is empty: %s", in, at.text)
		return false
	case unset != "" && wrong != nil:
		p.missing(at.file, at.line, "%s: %s needs %s, or give --env-file", in, at.text,
			notSet(vars.unset))
		return false
	case unset != "":
		p.note(at.file, at.line, "%s: %s is not set, and taken as blank, as docker compose does", in, unset)
	}
	p.take(at.file, at.line, in, name)
	return p.wrong(strings.TrimSpace(name)) == nil
}

// environment are the variables for Compose files of a directory: those of the process, then those of .env.
func (f *Finder) environment(dir string) variables {
	if vars, known := f.envs[dir]; known {
		return vars
	}
	outer := f.Env
	if outer == nil {
		outer = func(string) (string, bool) { return "", false }
	}
	vars := map[string]string{}
	files := f.EnvFiles
	if len(files) == 0 {
		files = []string{filepath.Join(dir, ".env")}
	}
	for _, path := range files {
		raw, err := f.open(path)
		if err != nil && len(f.EnvFiles) > 0 {
			f.missing(path, 0, "%v", reason(err))
		}
		over := func(name string) (string, bool) {
			if v, set := outer(name); set {
				return v, true
			}
			v, set := vars[name]
			return v, set
		}
		for name, value := range readEnv(raw, over) {
			vars[name] = value
		}
	}
	get := func(name string) (string, bool) {
		if v, set := outer(name); set {
			return v, true
		}
		v, set := vars[name]
		return v, set
	}
	if f.envs == nil {
		f.envs = map[string]variables{}
	}
	if len(f.envs) < limits.NamesFiles {
		f.envs[dir] = get
	}
	return get
}
