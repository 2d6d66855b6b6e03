package hostconfig

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"golang.org/x/net/http/httpguts"
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

// oneOrMore reads a string or a list of strings. nil is an empty list.
func oneOrMore(value any) ([]string, error) {
	switch value := value.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{value}, nil
	case []any:
		var all []string
		for _, element := range value {
			s, ok := element.(string)
			if !ok {
				return nil, errors.New("the list must be one of strings")
			}
			all = append(all, s)
		}
		return all, nil
	}
	return nil, errors.New("the value must be a string or a list of strings")
}

// clientPair has the files of a client certificate. Without key, the first file holds both.
type clientPair struct{ cert, key string }

// clientPairs reads a file, a list of files, or a list of pairs of files.
func clientPairs(value any) ([]clientPair, error) {
	if value == nil {
		return nil, nil
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	var pairs []clientPair
	for _, element := range list {
		files, err := oneOrMore(element)
		_, isPair := element.([]any)
		switch {
		case err != nil:
			return nil, errors.New("the value must be a string, a list of strings, or a list of pairs of strings")
		case !isPair:
			pairs = append(pairs, clientPair{cert: files[0]})
		case len(files) == 2:
			pairs = append(pairs, clientPair{files[0], files[1]})
		default:
			return nil, fmt.Errorf("a pair is a certificate and its key, but one has a length of %d", len(files))
		}
	}
	return pairs, nil
}

// readHeader reads a table of strings or lists of strings. Its errors never show a value: that may be a
// password.
func readHeader(table map[string]any) (http.Header, error) {
	if len(table) == 0 {
		return nil, nil
	}
	header := http.Header{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		values, err := oneOrMore(table[name])
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q: %w", name, err)
		case !httpguts.ValidHeaderFieldName(name):
			return nil, fmt.Errorf("%q: no header can have that name", name)
		case !httpguts.ValidHeaderFieldValue(strings.Join(values, "")):
			return nil, fmt.Errorf("%q: the value has a control character", name)
		}
		for _, value := range values {
			header.Add(name, value)
		}
	}
	return header, nil
}

func readDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf(`%q is not a duration such as "5s"`, s)
	}
	return d, nil
}

func readProxy(s string) (*url.URL, error) {
	if s == "" {
		return nil, nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("it is not a URL") // the error of net/url shows a password
	}
	if !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return nil, fmt.Errorf("scheme %q: a proxy has http, https, socks5 or socks5h", u.Scheme)
	}
	if u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("a proxy is written as a scheme, a host and a port")
	}
	return u, nil
}
