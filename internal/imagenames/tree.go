package imagenames

import (
	"go.yaml.in/yaml/v4"

	"drayage/internal/limits"
	"drayage/internal/usage"
)

// tree reads the nodes of a document. It follows aliases and merge keys, and counts each step: a document of
// some hundred bytes can stand for billions of values. Beyond the limit everything is empty.
type tree struct {
	steps int
	err   error
}

var errBomb = usage.Errorf("its aliases and references stand for too many values")

// step reports whether another node may be looked at.
func (t *tree) step() bool {
	if t.steps++; t.steps > limits.NamesSteps {
		t.err = errBomb
	}
	return t.err == nil
}

// real is a node without its aliases, or nil.
func (t *tree) real(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		if !t.step() {
			return nil
		}
		n = n.Alias
	}
	return n
}

type pair struct {
	key   *yaml.Node
	value *yaml.Node
}

// pairs are the keys and values of a mapping, with those that << brings in behind its own. Of equal keys the
// last counts.
func (t *tree) pairs(n *yaml.Node) (all []pair) {
	return t.merge(n, map[string]int{}, 0, nil)
}

func (t *tree) merge(n *yaml.Node, at map[string]int, depth int, all []pair) []pair {
	if n = t.real(n); n == nil || depth > limits.NamesDepth || !t.step() {
		return all
	}
	if n.Kind == yaml.SequenceNode && depth > 0 {
		for _, c := range n.Content {
			all = t.merge(c, at, depth+1, all)
		}
	}
	if n.Kind != yaml.MappingNode {
		return all
	}
	own := len(all)
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := t.real(n.Content[i]), t.real(n.Content[i+1])
		if key == nil || value == nil || !t.step() {
			return all
		}
		switch j, have := at[key.Value]; {
		case key.Kind != yaml.ScalarNode:
		case key.Value == "<<" && key.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0:
			merged = append(merged, value)
		case have && j >= own:
			all[j] = pair{key, value}
		case !have:
			at[key.Value] = len(all)
			all = append(all, pair{key, value})
		}
	}
	for _, m := range merged {
		all = t.merge(m, at, depth+1, all)
	}
	return all
}

// at is the value at the end of a path of keys, or nil.
func (t *tree) at(n *yaml.Node, path ...string) *yaml.Node {
	n = t.real(n)
	for _, key := range path {
		if n = t.value(n, key); n == nil {
			return nil
		}
	}
	return n
}

// value is what a mapping has at a key, or nil.
func (t *tree) value(n *yaml.Node, key string) *yaml.Node {
	if !isMapping(n) {
		return nil
	}
	for i := len(n.Content) - 2; i >= 0 && t.step(); i -= 2 {
		if k := t.real(n.Content[i]); k != nil && k.Value == key && k.Kind == yaml.ScalarNode {
			return t.real(n.Content[i+1])
		} else if k != nil && k.Value == "<<" { // it may come from elsewhere
			for _, p := range t.pairs(n) {
				if p.key.Value == key {
					return p.value
				}
			}
			return nil
		}
	}
	return nil
}

// list are the elements of a sequence.
func (t *tree) list(n *yaml.Node) (all []*yaml.Node) {
	if n = t.real(n); n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	for _, c := range n.Content {
		if c = t.real(c); c != nil && t.step() {
			all = append(all, c)
		}
	}
	return all
}

// text is a scalar that is not null.
func (t *tree) text(n *yaml.Node) (string, bool) {
	if n = t.real(n); n == nil || n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		return "", false
	}
	return n.Value, true
}

// textAt is the text at the end of a path of keys, or empty.
func (t *tree) textAt(n *yaml.Node, path ...string) string {
	s, _ := t.text(t.at(n, path...))
	return s
}

// texts is a scalar, or those of a list.
func (t *tree) texts(n *yaml.Node) (all []string) {
	if s, ok := t.text(n); ok {
		return []string{s}
	}
	for _, c := range t.list(n) {
		if s, ok := t.text(c); ok {
			all = append(all, s)
		}
	}
	return all
}

func isMapping(n *yaml.Node) bool  { return n != nil && n.Kind == yaml.MappingNode }
func isSequence(n *yaml.Node) bool { return n != nil && n.Kind == yaml.SequenceNode }
