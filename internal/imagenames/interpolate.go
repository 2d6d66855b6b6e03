package imagenames

import (
	"strings"

	"drayage/internal/limits"
	"drayage/internal/usage"
)

// variables tells what variables are set to.
type variables func(name string) (value string, set bool)

// interpolation replaces the variables of Compose files in text
// (https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md).
type interpolation struct {
	get   variables
	unset []string // variables that were taken as blank
	loose bool     // braces that hold no variable stay as they are
	size  int      // bytes of values that have been put in
}

// all replaces the variables in s.
func (in *interpolation) all(s string, depth int) (string, error) {
	if depth > limits.NamesNested {
		return "", usage.Errorf("too many variables in each other")
	}
	if len(s) > limits.NamesText {
		return "", usage.Errorf("a text with %d bytes is no image", len(s))
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		out.WriteString(before)
		if !found {
			break
		}
		value, rest, err := in.variable(after, depth)
		if err != nil {
			return "", err
		}
		if in.size += len(value); in.size > limits.NamesText {
			return "", usage.Errorf("its variables stand for too much text")
		}
		out.WriteString(value)
		s = rest
	}
	return out.String(), nil
}

// variable replaces the one behind a dollar sign.
func (in *interpolation) variable(s string, depth int) (value, rest string, err error) {
	if after, escaped := strings.CutPrefix(s, "$"); escaped {
		return "$", after, nil
	}
	if after, braced := strings.CutPrefix(s, "{"); braced {
		end := closing(after)
		if end < 0 {
			value, err = in.invalid("$" + s)
			return value, "", err
		}
		value, err = in.braced(after[:end], depth)
		return value, after[end+1:], err
	}
	n := nameLength(s)
	if n == 0 {
		return "$", s, nil
	}
	return in.value(s[:n]), s[n:], nil
}

func (in *interpolation) invalid(what string) (string, error) {
	if in.loose {
		return what, nil
	}
	return "", usage.Errorf("%.200q is no variable: write $$ for a dollar sign", what)
}

// braced replaces what stands between ${ and }: a name, or a name, an operator and a text.
func (in *interpolation) braced(s string, depth int) (string, error) {
	n := nameLength(s)
	name, how := s[:n], s[n:]
	switch {
	case n > 0 && how == "":
		return in.value(name), nil
	case n == 0, strings.IndexAny(strings.TrimPrefix(how, ":"), "-?+") != 0:
		return in.invalid("${" + s + "}")
	}
	how, empty := strings.CutPrefix(how, ":") // empty counts as unset
	value, set := in.get(name)
	set = set && (!empty || value != "")
	text := how[1:]
	switch how[0] {
	case '-':
		if !set {
			return in.all(text, depth+1)
		}
	case '+':
		if !set {
			return "", nil
		}
		return in.all(text, depth+1)
	case '?':
		if !set {
			return "", usage.Errorf("%s is not set: %s", name, text)
		}
	}
	return value, nil
}

func (in *interpolation) value(name string) string {
	value, set := in.get(name)
	if !set {
		in.unset = append(in.unset, name)
	}
	return value
}

// closing is where the brace closes that was opened before s, or -1.
func closing(s string) int {
	open := 1
	for i := range len(s) {
		switch s[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return -1
}

// nameLength is how many bytes of s are the name of a variable.
func nameLength(s string) (n int) {
	for n < len(s) {
		c := s[n] | 0x20
		if c < 'a' || c > 'z' {
			if s[n] != '_' && (n == 0 || s[n] < '0' || s[n] > '9') {
				break
			}
		}
		n++
	}
	return n
}
