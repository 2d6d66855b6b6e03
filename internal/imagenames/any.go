package imagenames

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// whole is the full name of an image: with a registry, and with a tag or a digest. Hardly anything else looks
// so.
var whole = regexp.MustCompile(`^(?:[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|localhost)(?::[0-9]+)?/` +
	`[a-z0-9._/-]+(?::[A-Za-z0-9_][A-Za-z0-9_.-]*(?:@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})$`)

// found is an image outside of a container's image, or what looks like one.
func (w *walk) found(text string, line int) {
	switch {
	case w.f.Any:
		w.f.take(w.file, line, w.in, text)
	case w.left == nil:
		w.left = &pending{line, text}
	}
}

// embedded looks at an argument such as --helper-image=NAME.
func (w *walk) embedded(arg string, line int) {
	_, value, found := strings.Cut(arg, "=")
	if !found {
		value = arg
	}
	if whole.MatchString(value) {
		w.found(value, line)
	}
}

// variable looks at an environment variable of a container.
func (w *walk) variable(name string, value *yaml.Node) {
	text, ok := w.text(value)
	named := strings.HasSuffix(name, "_IMAGE") || strings.HasPrefix(name, "RELATED_IMAGE_")
	if ok && (whole.MatchString(text) || named && strings.Contains(text, ":") && w.f.wrong(text) == nil) {
		w.found(text, value.Line)
	}
}

// imageKey is a key that has the name of an image: image, sidecar.istio.io/proxyImage, agent-image.
var imageKey = regexp.MustCompile(`(?:^|[-_./])image$|Image$|_IMAGE$`)

// looksLike looks at a string at the key image, or at one that ends so. The tag may stand beside it.
func (w *walk) looksLike(of *yaml.Node, p pair) {
	text, ok := w.text(p.value)
	key := p.key.Value
	if !ok || text == "" || !imageKey.MatchString(key) || w.own && !w.f.Any && !whole.MatchString(text) {
		return
	}
	if !strings.ContainsAny(text[strings.LastIndex(text, "/")+1:], ":@") {
		if tag := w.textAt(of, "tag"); tag != "" {
			text += ":" + tag
		} else if version := w.textAt(of, "version"); version != "" && key != "image" {
			text += ":" + version
		}
	}
	if w.f.Any || w.f.wrong(text) == nil {
		w.found(text, p.value.Line)
	}
}

// imported looks at what OpenShift imports, or builds on: {kind: DockerImage, name: NAME}.
func (w *walk) imported(n *yaml.Node) {
	if name := w.at(n, "name"); name != nil && w.textAt(n, "kind") == "DockerImage" {
		w.found(name.Value, name.Line)
	}
}

// parts looks at a mapping that has an image in parts, as the values of Helm charts have.
func (w *walk) parts(n *yaml.Node) {
	at := w.at(n, "repository")
	repository, ok := w.text(at)
	if !ok || repository == "" || w.own && !w.f.Any || strings.Contains(repository, "://") {
		return
	}
	tag, digest := w.textAt(n, "tag"), w.textAt(n, "digest")
	if w.at(n, "tag") == nil {
		tag = w.textAt(n, "version")
	}
	if w.at(n, "tag") == nil && digest == "" && tag == "" {
		return // something else has a repository too, such as a chart
	}
	if registry := w.textAt(n, "registry"); registry != "" {
		repository = strings.TrimSuffix(registry, "/") + "/" + repository
	}
	switch {
	case tag == "" && digest == "" && w.f.Any:
		w.f.missing(w.file, at.Line, "%s has an empty tag, which the chart fills in: "+
			"helm template CHART | drayage names -", repository)
		return
	case tag != "":
		repository += ":" + tag
	}
	if digest != "" {
		repository += "@" + digest
	}
	w.found(repository, at.Line)
}
