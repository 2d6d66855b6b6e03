package imagenames

import (
	"slices"
	"strings"

	"drayage/internal/limits"
	"drayage/internal/usage"
)

// row is one combination of a matrix: values by the names of its variables.
type row map[string]string

// axis is a variable of a matrix with its values.
type axis struct {
	name   string
	values []string
}

var errProduct = usage.Errorf("it has more than %d combinations", limits.NamesProduct)

// product are all combinations of axes, the first axis slowest.
func product(axes []axis) (rows []row, err error) {
	rows = []row{{}}
	for _, a := range axes {
		var longer []row
		for _, r := range rows {
			for _, v := range a.values {
				with := row{a.name: v}
				for name, value := range r {
					with[name] = value
				}
				if longer = append(longer, with); len(longer) > limits.NamesProduct {
					return nil, errProduct
				}
			}
		}
		rows = longer
	}
	return rows, nil
}

// variables of a job: its own, those of what it extends, those of the pipeline, and then the environment.
func (p *pipeline) variables(j *job) variables {
	vars := map[string]string{}
	all := p.find(j, "variables", 0)
	for _, n := range p.globals {
		all = append(all, placedNode{Node: n})
	}
	for _, n := range all {
		for _, pair := range p.tree.pairs(n.Node) {
			value, ok := p.tree.text(pair.value)
			if !ok {
				value, ok = p.tree.text(p.tree.at(pair.value, "value"))
			}
			if _, have := vars[pair.key.Value]; ok && !have {
				vars[pair.key.Value] = value
			}
		}
	}
	outer := p.environment(p.root)
	return func(name string) (string, bool) {
		if v, ok := vars[name]; ok {
			return v, true
		}
		return outer(name)
	}
}

// matrix are the combinations of variables with which a job runs.
func (p *pipeline) matrix(j *job) (all []row) {
	found, ok := p.first(p.find(j, "parallel", 0))
	if !ok {
		return nil
	}
	for _, entry := range p.tree.list(p.tree.at(found.Node, "matrix")) {
		var axes []axis
		for _, pair := range p.tree.pairs(entry) {
			axes = append(axes, axis{pair.key.Value, p.tree.texts(pair.value)})
		}
		rows, err := product(axes)
		if err != nil || len(all)+len(rows) > limits.NamesProduct {
			p.missing(found.file, found.Line, "job %s: its matrix: %v", j.name, errProduct)
			return all
		}
		all = append(all, rows...)
	}
	return all
}

// expand takes the names that a text with variables stands for, in all rows of a matrix.
func (p *pipeline) expand(at placed, in string, vars variables, rows []row) {
	if strings.Contains(at.text, "$[[") {
		p.missing(at.file, at.line, "%s: %s comes from an input of the pipeline", in, at.text)
		return
	}
	if len(rows) == 0 || !strings.Contains(at.text, "$") {
		rows = []row{{}}
	}
	var done []string
	for _, r := range rows {
		name, unset, err := replaceAll(at.text, func(name string) (string, bool) {
			if v, ok := r[name]; ok {
				return v, true
			}
			return vars(name)
		})
		switch {
		case err != nil:
			p.missing(at.file, at.line, "%s: %v", in, err)
			return
		case len(unset) > 0:
			p.missing(at.file, at.line, "%s: %s needs %s in the environment", in, at.text,
				notSet(unset))
			return
		case name != "" && !slices.Contains(done, name):
			done = append(done, name)
			p.take(at.file, at.line, in, name)
		}
	}
}

// notSet names variables without a value, and begins to say what to do.
func notSet(names []string) string {
	names = slices.Compact(slices.Clone(names))
	if len(names) == 1 {
		return names[0] + ", which is not set: set it"
	}
	return strings.Join(names, ", ") + ", which are not set: set them"
}

// replaceAll replaces variables in text, and those in their values.
func replaceAll(text string, get variables) (name string, unset []string, err error) {
	for range limits.NamesNested {
		in := interpolation{get: get, loose: true}
		next, err := in.all(text, 0)
		if err != nil || len(in.unset) > 0 || next == text {
			slices.Sort(in.unset)
			return next, slices.Compact(in.unset), err
		}
		text = next
	}
	return "", nil, usage.Errorf("its variables lead to each other in a circle")
}
