package hostconfig

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// decode reads TOML. Unknown keys are ignored, as containerd and podman do. Errors name file, line and key.
func decode(file string, raw []byte, into any) error {
	err := toml.Unmarshal(raw, into)
	if err == nil {
		return nil
	}
	message := strings.TrimPrefix(err.Error(), "toml: ")
	var at *toml.DecodeError
	if !errors.As(err, &at) {
		return fmt.Errorf("%s: %s", file, message)
	}
	// What follows "into" is the name of a Go type.
	if kind, ok := strings.CutPrefix(message, "cannot decode TOML "); ok {
		kind, _, _ = strings.Cut(kind, " into ")
		message = "the value cannot be of type " + kind
	}
	line, _ := at.Position()
	if len(at.Key()) == 0 {
		return fmt.Errorf("%s: line %d: %s", file, line, message)
	}
	return fmt.Errorf("%s: line %d: %q: %s", file, line, strings.Join(at.Key(), "."), message)
}

// keysBelow lists the keys below a table at the root of a valid document, in the order in which they first
// occur. The maps of a decoder have lost that order.
func keysBelow(raw []byte, table string) []string {
	var (
		parser  unstable.Parser
		current []string // the table that the parser is in
		order   []string
	)
	seen := map[string]bool{}
	add := func(path []string) {
		if len(path) > 1 && strings.EqualFold(path[0], table) && !seen[path[1]] {
			seen[path[1]] = true
			order = append(order, path[1])
		}
	}
	parser.Reset(raw)
	for parser.NextExpression() {
		node := parser.Expression()
		switch node.Kind {
		case unstable.Table, unstable.ArrayTable:
			current = keyOf(node)
			add(current)
		case unstable.KeyValue:
			path := append(current[:len(current):len(current)], keyOf(node)...)
			add(path)
			if value := node.Value(); value.Kind == unstable.InlineTable {
				for it := value.Children(); it.Next(); {
					add(append(path[:len(path):len(path)], keyOf(it.Node())...))
				}
			}
		}
	}
	return order
}

func keyOf(node *unstable.Node) []string {
	var key []string
	for it := node.Key(); it.Next(); {
		key = append(key, string(it.Node().Data))
	}
	return key
}
