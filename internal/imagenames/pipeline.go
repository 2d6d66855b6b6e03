package imagenames

import (
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"drayage/internal/limits"
	"drayage/internal/usage"
)

// pipeline is one of GitLab, with the files that it includes
// (https://docs.gitlab.com/ci/yaml/).
type pipeline struct {
	*Finder
	tree     *tree
	root     string // the directory that the paths of includes begin at
	jobs     []*job // each name once
	named    map[string]*job
	globals  []*yaml.Node
	defaults []placedNode // that have an image or services for all jobs
	deep     int
}

// placedNode is a value and the file that it is in.
type placedNode struct {
	*yaml.Node
	file string
}

// job has the mappings that files have for one name, the one that counts most first.
type job struct {
	name  string
	parts []placedNode
}

// notJobs are keys at the top that are no jobs.
var notJobs = []string{"stages", "workflow", "cache", "before_script", "after_script", "spec", "types"}

// isPipeline tells a pipeline by its name, or by a job in it.
func (f *Finder) isPipeline(t *tree, n *yaml.Node, file string) bool {
	if strings.HasSuffix(base(file), "gitlab-ci.yml") || strings.HasSuffix(base(file), "gitlab-ci.yaml") ||
		isSequence(t.at(n, "stages")) {
		return true
	}
	for _, p := range t.pairs(n) {
		for _, key := range []string{"script", "extends", "trigger"} {
			if isMapping(p.value) && t.at(p.value, key) != nil {
				return true
			}
		}
	}
	return false
}

// pipeline takes the names of a pipeline.
func (f *Finder) pipeline(t *tree, n *yaml.Node, file string) {
	p := &pipeline{Finder: f, tree: t, root: filepath.Dir(file), named: map[string]*job{}}
	p.read(n, file)
	extended := map[string]bool{}
	for _, j := range p.jobs {
		for _, name := range p.bases(j) {
			extended[name] = true
		}
	}
	for _, j := range p.jobs {
		if hidden := strings.HasPrefix(j.name, "."); !hidden || !extended[j.name] {
			p.takeJob(j, hidden)
		}
	}
	if len(p.jobs) == 0 {
		p.takeJob(&job{name: "default"}, false)
	}
}

// read enters what a file has. What it includes counts less, and comes later.
func (p *pipeline) read(n *yaml.Node, file string) {
	var includes *yaml.Node
	for _, pair := range p.tree.pairs(n) {
		switch key := pair.key.Value; {
		case key == "include":
			includes = pair.value
		case key == "variables":
			p.globals = append(p.globals, pair.value)
		case key == "default":
			p.defaults = append(p.defaults, placedNode{pair.value, file})
		case key == "image" || key == "services":
			p.defaults = append(p.defaults, placedNode{n, file})
		case isMapping(pair.value) && !slices.Contains(notJobs, key):
			p.enter(key, placedNode{pair.value, file})
		}
	}
	if isMapping(includes) || includes != nil && includes.Kind == yaml.ScalarNode {
		p.include(includes, file)
	}
	for _, c := range p.tree.list(includes) {
		p.include(c, file)
	}
}

func (p *pipeline) enter(name string, n placedNode) {
	if j := p.named[name]; j != nil {
		j.parts = append(j.parts, n)
		return
	}
	p.named[name] = &job{name, []placedNode{n}}
	p.jobs = append(p.jobs, p.named[name])
}

// include reads a file of the same repository. All others have to be given.
func (p *pipeline) include(n *yaml.Node, file string) {
	path, local := p.tree.text(n)
	if !local {
		path, local = p.tree.text(p.tree.at(n, "local"))
	}
	if !local || strings.Contains(path, "://") || strings.ContainsAny(path, "*$") {
		p.missing(file, n.Line, "the pipeline includes what is elsewhere: its images are not in the list")
		return
	}
	at := filepath.Join(p.root, filepath.FromSlash(path))
	err := usage.Errorf("too many files lead to each other")
	var doc *yaml.Node
	if p.deep < limits.NamesNested {
		doc, err = p.load(at)
	}
	if err != nil {
		p.missing(file, n.Line, "include %q: %v", path, err)
		return
	}
	p.deep++
	p.read(doc, at)
	p.deep--
}

// bases are the jobs that a job extends, the one that counts most first.
func (p *pipeline) bases(j *job) (names []string) {
	for _, part := range j.parts {
		own := p.tree.texts(p.tree.at(part.Node, "extends"))
		slices.Reverse(own)
		names = append(names, own...)
	}
	return names
}

// find returns all values that a job has at a key, its own first.
func (p *pipeline) find(j *job, key string, depth int) (all []placedNode) {
	for _, part := range j.parts {
		if v := p.tree.at(part.Node, key); v != nil {
			all = append(all, placedNode{v, part.file})
		}
	}
	for _, name := range p.bases(j) {
		if b := p.named[name]; b != nil && depth < limits.NamesNested && p.tree.step() {
			all = append(all, p.find(b, key, depth+1)...)
		}
	}
	return all
}

// takeJob takes the image and the services of a job. What a job has not comes from the defaults.
func (p *pipeline) takeJob(j *job, hidden bool) {
	vars := p.variables(j)
	rows := p.matrix(j)
	_, bridge := p.first(p.find(j, "trigger", 0))
	without := slices.ContainsFunc(p.find(j, "inherit", 0), func(n placedNode) bool {
		return p.tree.textAt(n.Node, "default") == "false"
	})
	for _, key := range []string{"image", "services"} {
		found, ok := p.first(p.find(j, key, 0))
		for i := 0; i < len(p.defaults) && !ok && !hidden && !bridge && !without; i++ {
			if v := p.tree.at(p.defaults[i].Node, key); v != nil {
				found, ok = placedNode{v, p.defaults[i].file}, true
			}
		}
		if ok {
			p.takeImages(found, "job "+j.name, vars, rows, 0)
		}
	}
}

func (p *pipeline) first(all []placedNode) (placedNode, bool) {
	if len(all) == 0 {
		return placedNode{}, false
	}
	return all[0], true
}

// takeImages takes an image, or each of a list. It is a name, or a mapping with one, or a reference.
func (p *pipeline) takeImages(n placedNode, in string, vars variables, rows []row, depth int) {
	if depth > limits.NamesNested || !p.tree.step() {
		return
	}
	switch {
	case n.Tag == "!reference":
		path := p.tree.texts(&yaml.Node{Kind: yaml.SequenceNode, Content: n.Content})
		if j := p.named[firstOf(path)]; j != nil && len(path) > 1 {
			if found, ok := p.first(p.find(j, path[1], 0)); ok {
				found.Node = p.tree.at(found.Node, path[2:]...)
				if found.Node != nil {
					p.takeImages(found, in, vars, rows, depth+1)
				}
				return
			}
		}
		p.missing(n.file, n.Line, "%s: what it refers to is not there", in)
	case isSequence(n.Node):
		for _, c := range p.tree.list(n.Node) {
			p.takeImages(placedNode{c, n.file}, in, vars, rows, depth+1)
		}
	case isMapping(n.Node):
		if v := p.tree.at(n.Node, "name"); v != nil {
			p.takeImages(placedNode{v, n.file}, in, vars, rows, depth+1)
		}
	default:
		if text, ok := p.tree.text(n.Node); ok && text != "" {
			p.expand(placed{text, n.file, n.Line}, in, vars, rows)
		}
	}
}

func firstOf(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}
