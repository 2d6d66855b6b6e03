package imagenames

import (
	"strings"

	"go.yaml.in/yaml/v4"

	"drayage/internal/limits"
)

// walk goes through an object of Kubernetes, or through anything in which images stand at keys.
type walk struct {
	*tree
	f    *Finder
	file string
	in   string   // what the object is
	own  bool     // the API is Kubernetes' own: images stand in containers only
	left *pending // the first that looks like an image and was not taken
}

// pending is what may be the name of an image.
type pending struct {
	line int
	text string
}

// object takes the images of a Kubernetes object, which may be in another one.
func (f *Finder) object(t *tree, n *yaml.Node, file string, depth int) {
	kind, api := t.textAt(n, "kind"), t.textAt(n, "apiVersion")
	switch {
	case kind == "CustomResourceDefinition": // its keys are those of a schema
		return
	case kind == "Images" && strings.HasPrefix(api, "output.kubeadm.k8s.io/"):
		for _, c := range t.list(t.at(n, "images")) {
			f.take(file, c.Line, "kubeadm", c.Value)
		}
		return
	case strings.HasPrefix(api, "kustomize.config.k8s.io/"):
		f.missing(file, n.Line, "%s", kustomizeHint)
		return
	}
	w := &walk{tree: t, f: f, file: file, own: isOwn(api)}
	w.in = kind
	if name := t.textAt(n, "metadata", "name"); name != "" {
		w.in += " " + name
	}
	for _, p := range t.pairs(n) {
		if k := p.key.Value; k != "metadata" && k != "status" {
			w.visit(n, p, depth+1)
		}
	}
	if group, _, _ := strings.Cut(api, "/"); installers[group+"/"+kind] {
		f.note(file, n.Line, "%s installs what lies elsewhere, whose images are not in the list: give names what "+
			"helm template or kustomize build prints of it", w.in)
	}
	if w.left != nil {
		f.note(file, w.left.line, "%s: %.200q looks like an image: --any takes it", w.in, w.left.text)
	}
}

// installers are objects that make a controller install a chart or a directory.
var installers = map[string]bool{
	"argoproj.io/Application":                   true,
	"argoproj.io/ApplicationSet":                true,
	"fleet.cattle.io/GitRepo":                   true,
	"helm.cattle.io/HelmChart":                  true,
	"helm.toolkit.fluxcd.io/HelmRelease":        true,
	"kustomize.toolkit.fluxcd.io/Kustomization": true,
}

const kustomizeHint = "this tells kustomize what to build: kustomize build DIR | drayage names -"

// isOwn reports whether an API is one that Kubernetes brings along.
func isOwn(api string) bool {
	group, _, found := strings.Cut(api, "/")
	return !found || !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io") &&
		strings.Count(group, ".") == 2
}

// containerKeys are those whose lists have containers. Operators use them in their own objects too.
var containerKeys = map[string]bool{"containers": true, "initContainers": true, "ephemeralContainers": true}

// visit goes down from a key of a mapping.
func (w *walk) visit(of *yaml.Node, p pair, depth int) {
	if depth > limits.NamesDepth || !w.step() {
		return
	}
	switch {
	case containerKeys[p.key.Value] && isSequence(p.value):
		for _, c := range w.list(p.value) {
			w.container(c)
		}
		return
	case p.key.Value == "volumes" && isSequence(p.value):
		w.volumes(p.value)
	}
	w.looksLike(of, p)
	w.below(p.value, depth)
}

func (w *walk) below(n *yaml.Node, depth int) {
	if depth > limits.NamesDepth {
		return
	}
	for _, c := range w.list(n) {
		w.below(c, depth+1)
	}
	switch {
	case isMapping(n) && isObject(w.tree, n):
		w.f.object(w.tree, n, w.file, depth+1)
	case isMapping(n):
		w.parts(n)
		w.imported(n)
		for _, p := range w.pairs(n) {
			w.visit(n, p, depth+1)
		}
	}
}

func isObject(t *tree, n *yaml.Node) bool {
	return t.textAt(n, "apiVersion") != "" && t.textAt(n, "kind") != ""
}

// container takes the image of a container.
func (w *walk) container(n *yaml.Node) {
	at := w.at(n, "image")
	switch image, ok := w.text(at); {
	case !ok:
	case strings.TrimSpace(image) == "":
		w.f.missing(w.file, at.Line, "%s: the image is empty: something puts it there later, such as an "+
			"ImageStream of OpenShift", w.in)
	case image == "auto":
		w.f.missing(w.file, at.Line, "%s: the image is \"auto\": Istio puts its proxy there when the pod starts",
			w.in)
	default:
		w.f.take(w.file, at.Line, w.in, image)
	}
	for _, key := range []string{"args", "command"} {
		for _, c := range w.list(w.at(n, key)) {
			if s, ok := w.text(c); ok {
				w.embedded(s, c.Line)
			}
		}
	}
	for _, c := range w.list(w.at(n, "env")) {
		if v := w.at(c, "value"); v != nil {
			w.variable(w.textAt(c, "name"), v)
		}
	}
}

// volumes takes the images that are mounted as volumes.
func (w *walk) volumes(n *yaml.Node) {
	for _, c := range w.list(n) {
		if at := w.at(c, "image", "reference"); at != nil {
			if s, ok := w.text(at); ok {
				w.f.take(w.file, at.Line, w.in, s)
			}
		}
	}
}
