package imagenames

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// workflow takes the names of a workflow of GitHub
// (https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax).
func (f *Finder) workflow(t *tree, n *yaml.Node, file string) {
	for _, p := range t.pairs(t.at(n, "jobs")) {
		w := &workflowJob{Finder: f, tree: t, file: file, in: "job " + p.key.Value}
		w.readMatrix(t.at(p.value, "strategy", "matrix"))
		w.takeJob(p.value)
	}
}

// action takes the names of an action of GitHub.
func (f *Finder) action(t *tree, n *yaml.Node, file string) {
	w := &workflowJob{Finder: f, tree: t, file: file, in: "action"}
	image := t.at(n, "runs", "image")
	if text, ok := t.text(image); ok {
		if name, found := strings.CutPrefix(text, "docker://"); found {
			w.expand(name, image.Line)
		} else {
			f.note(file, image.Line, "the action is built here, from %s", text)
		}
	}
	w.takeSteps(t.at(n, "runs"))
}

// workflowJob is a job of a workflow.
type workflowJob struct {
	*Finder
	tree *tree
	file string
	in   string
	rows []row  // of the matrix
	axes []axis // with all values that a variable has anywhere
}

func (w *workflowJob) takeJob(n *yaml.Node) {
	for _, path := range [][]string{{"container"}, {"container", "image"}} {
		w.takeAt(w.tree.at(n, path...))
	}
	for _, p := range w.tree.pairs(w.tree.at(n, "services")) {
		w.takeAt(w.tree.at(p.value, "image"))
	}
	w.takeSteps(n)
	if uses := w.tree.at(n, "uses"); uses != nil && !w.isGiven(uses.Value) {
		w.missing(w.file, uses.Line, "%s runs the workflow %s, whose images are not in the list: give its file too",
			w.in, uses.Value)
	}
}

// isGiven reports whether a workflow of the same repository is read too.
func (w *workflowJob) isGiven(uses string) bool {
	path, local := strings.CutPrefix(uses, "./")
	return local && slices.ContainsFunc(w.Given, func(g string) bool {
		return strings.HasSuffix("/"+filepath.ToSlash(g), "/"+path) || filepath.Base(g) == filepath.Base(path) &&
			filepath.Dir(g) == filepath.Dir(w.file)
	})
}

func (w *workflowJob) takeSteps(n *yaml.Node) {
	for _, step := range w.tree.list(w.tree.at(n, "steps")) {
		uses := w.tree.at(step, "uses")
		if text, ok := w.tree.text(uses); ok {
			if name, found := strings.CutPrefix(text, "docker://"); found {
				w.expand(name, uses.Line)
			}
		}
	}
}

func (w *workflowJob) takeAt(n *yaml.Node) {
	if text, ok := w.tree.text(n); ok && text != "" {
		w.expand(text, n.Line)
	}
}

// readMatrix reads the axes of a matrix, and the combinations that it includes.
func (w *workflowJob) readMatrix(n *yaml.Node) {
	var axes []axis
	for _, p := range w.tree.pairs(n) {
		if p.key.Value == "exclude" || p.key.Value == "include" {
			continue
		}
		a := axis{name: p.key.Value}
		for _, v := range w.tree.list(p.value) {
			if text, ok := w.tree.text(v); ok {
				a.values = append(a.values, text)
			}
		}
		if len(a.values) > 0 {
			axes = append(axes, a)
		}
	}
	var err error
	if w.rows, err = product(axes); err != nil {
		w.rows = nil // names that need several axes come from their product, or are told
	}
	w.axes = axes
	for _, entry := range w.tree.list(w.tree.at(n, "include")) {
		r := row{}
		for _, p := range w.tree.pairs(entry) {
			if text, ok := w.tree.text(p.value); ok {
				r[p.key.Value] = text
				w.addValue(p.key.Value, text)
			}
		}
		w.rows = append(w.rows, r)
	}
}

func (w *workflowJob) addValue(name, value string) {
	i := slices.IndexFunc(w.axes, func(a axis) bool { return a.name == name })
	if i < 0 {
		w.axes = append(w.axes, axis{name, []string{value}})
	} else if !slices.Contains(w.axes[i].values, value) {
		w.axes[i].values = append(w.axes[i].values, value)
	}
}

// expression is one of GitHub, and ofMatrix one that stands for a variable of the matrix.
var (
	expression = regexp.MustCompile(`\$\{\{(.*?)\}\}`)
	ofMatrix   = regexp.MustCompile(`^\s*matrix\.([\w-]+)\s*$`)
)

// expand takes the names that a text with expressions stands for.
func (w *workflowJob) expand(text string, line int) {
	var needs []string
	for _, e := range expression.FindAllStringSubmatch(text, -1) {
		m := ofMatrix.FindStringSubmatch(e[1])
		if m == nil {
			w.missing(w.file, line, "%s: what %s stands for shows only when it runs", w.in, text)
			return
		}
		needs = append(needs, m[1])
	}
	rows := slices.DeleteFunc(slices.Clone(w.rows), func(r row) bool { return !hasAll(r, needs) })
	if len(needs) == 0 {
		rows = []row{{}}
	} else if len(rows) == 0 {
		rows = w.combine(needs)
	}
	if len(rows) == 0 {
		w.missing(w.file, line, "%s: the matrix has no values for %s", w.in, text)
	}
	var done []string
	for _, r := range rows {
		name := expression.ReplaceAllStringFunc(text, func(e string) string {
			return r[ofMatrix.FindStringSubmatch(expression.FindStringSubmatch(e)[1])[1]]
		})
		if name != "" && !slices.Contains(done, name) { // without an image the job runs outside of containers
			done = append(done, name)
			w.take(w.file, line, w.in, name)
		}
	}
}

func hasAll(r row, names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { _, ok := r[n]; return !ok })
}

// combine puts together all values of some variables.
func (w *workflowJob) combine(names []string) []row {
	var axes []axis
	for _, a := range w.axes {
		if slices.Contains(names, a.name) {
			axes = append(axes, a)
		}
	}
	rows, err := product(axes)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(rows, func(r row) bool { return !hasAll(r, names) })
}
