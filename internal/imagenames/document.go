package imagenames

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// document takes the names of a document, by what it is.
func (f *Finder) document(n *yaml.Node, file string, p part) {
	t := new(tree)
	n = t.real(n)
	switch {
	case p == rest:
	case p == item && isMapping(n) && !isObject(t, n): // of a list that says what all its items are
		f.object(t, n, file, 0)
	case isSequence(n):
		f.sequence(t, n, file)
	case isMapping(n):
		f.mapping(t, n, file)
	}
	if t.err != nil {
		f.missing(file, n.Line, "%v", t.err)
	}
}

// sequence takes the names of a list of objects, or of anything else, such as what Ansible is to do.
func (f *Finder) sequence(t *tree, n *yaml.Node, file string) {
	objects := len(n.Content) == 0
	for _, c := range t.list(n) {
		if isMapping(c) && isObject(t, c) {
			objects = true
			f.object(t, c, file, 0)
		}
	}
	if !objects {
		f.unknown(t, n, file)
	}
}

func (f *Finder) mapping(t *tree, n *yaml.Node, file string) {
	has := func(key string) *yaml.Node { return t.at(n, key) }
	switch {
	case isObject(t, n):
		f.object(t, n, file, 0)
	case t.textAt(n, "apiVersion") != "" && t.textAt(n, "name") != "" && t.textAt(n, "version") != "":
		f.missing(file, n.Line, "this describes a chart: helm template CHART | drayage names -")
	case strings.HasPrefix(base(file), "kustomization."):
		f.missing(file, n.Line, "%s", kustomizeHint)
	case isMapping(has("jobs")) && has("services") == nil && (has("on") != nil || f.runsOn(t, has("jobs"))):
		f.workflow(t, n, file)
	case isMapping(has("runs")) && t.textAt(n, "runs", "using") != "":
		f.action(t, n, file)
	case isMapping(has("services")), strings.Contains(base(file), "compose") && isSequence(has("include")):
		f.compose(t, n, file)
	case f.isPipeline(t, n, file):
		f.pipeline(t, n, file)
	case len(n.Content) == 0, isMapping(has("spec")) && len(n.Content) == 2: // the inputs of a pipeline
	case has("MANIFEST") != nil, has("HOOKS") != nil: // what helm install prints besides
	default:
		f.unknown(t, n, file)
	}
}

// runsOn reports whether jobs are those of a workflow of GitHub. CircleCI has jobs too.
func (f *Finder) runsOn(t *tree, jobs *yaml.Node) bool {
	for _, p := range t.pairs(jobs) {
		if t.at(p.value, "runs-on") != nil || t.at(p.value, "uses") != nil {
			return true
		}
	}
	return false
}

// unknown looks through something that nothing is known of.
func (f *Finder) unknown(t *tree, n *yaml.Node, file string) {
	w := &walk{tree: t, f: f, file: file}
	w.below(n, 0)
	switch {
	case f.Any:
	case w.left != nil:
		f.missing(file, w.left.line, "%.200q looks like an image: --any takes it, whatever this YAML is for",
			w.left.text)
	default:
		f.note(file, n.Line, "it is not known what this YAML is for, and nothing in it looks like an image")
	}
}
