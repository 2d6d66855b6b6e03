package upload

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"drayage/internal/plaintext"
	"drayage/internal/usage"
	"drayage/registry"
)

const (
	maxMapping = 4 << 20 // bytes of a mapping
	maxRule    = 4 << 10 // bytes of a line
	maxBad     = 20      // lines that make no sense and are named
)

// Mapping has rules for what images are called. The zero value has none. [ParseMapping] makes one.
type Mapping struct {
	exact    map[string]rule // by repository, name with tag, or name with digest
	prefixes map[string]rule // each ends in /
	label    string
}

type rule struct {
	to   string // ends in / in a rule for a prefix; empty: directly below the prefix of the destination
	line int
}

// ParseMapping reads rules, one a line: FROM and TO with spaces between them. What follows # is a comment.
//
// FROM is a name as Docker users type it. With a tag or a digest it is for that image, without one for all
// tags of the repository, and if it ends in / for all repositories that begin so. TO is what the image is
// called below the destination: a repository, with another tag where FROM has one, and after a prefix another
// prefix, / for none. The most exact rule counts: an image before a repository, and that before prefixes, the
// longest first.
//
// label stands for the text in errors. The error names each line that makes no sense, or the first 20 of
// them.
func ParseMapping(r io.Reader, label string) (Mapping, error) {
	m := Mapping{exact: map[string]rule{}, prefixes: map[string]rule{}, label: label}
	raw, err := io.ReadAll(io.LimitReader(r, maxMapping+1))
	switch {
	case err != nil:
		return m, fmt.Errorf("%s: %w", label, err)
	case len(raw) > maxMapping:
		return m, usage.Errorf("%s: more than %d MiB: this is no list of rules", label, maxMapping>>20)
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(plaintext.UTF8(raw)))
	var bad []error
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 0 {
			if err := m.add(words, i+1); err != nil {
				bad = append(bad, fmt.Errorf("%s:%d: %w", label, i+1, err))
			}
		}
	}
	switch {
	case len(bad) > 0:
		return m, badLines(bad)
	case len(m.exact)+len(m.prefixes) == 0:
		return m, usage.Errorf("%s has no rule", label)
	}
	return m, nil
}

func badLines(bad []error) error {
	if more := len(bad) - maxBad; more > 0 {
		bad = append(bad[:maxBad], fmt.Errorf("and %d more lines", more))
	}
	return usage.Errorf("%v", errors.Join(bad...))
}

// add takes the words of a line.
func (m *Mapping) add(words []string, line int) error {
	for _, w := range words {
		if len(w) > maxRule {
			return fmt.Errorf("a word of %d bytes: this is no rule", len(w))
		}
	}
	if len(words) != 2 {
		return fmt.Errorf("%q: a rule is FROM and TO, with a space between them", strings.Join(words, " "))
	}
	from, to := words[0], words[1]
	if strings.HasSuffix(from, "/") {
		return m.addPrefix(from, to, line)
	}
	ref, err := registry.ParseTyped(from)
	if err != nil {
		return err
	}
	pinned := ref.Digest != "" || hasTag(from)
	key := ref.Name()
	if pinned {
		key = ref.String()
	}
	target, err := parseTo(to)
	switch {
	case err != nil:
		return err
	case !pinned && target.Tag != "":
		return fmt.Errorf("%q gives all tags of %q one tag: leave it out, or give FROM a tag too", to, from)
	}
	return put(m.exact, key, rule{to, line})
}

func (m *Mapping) addPrefix(from, to string, line int) error {
	const any = "x/x" // of one part Docker Hub would make library/x
	ref, err := registry.ParseTyped(from + any)
	if err != nil {
		return fmt.Errorf("%q is not the beginning of a name", from)
	}
	if !strings.HasSuffix(to, "/") {
		return fmt.Errorf("%q is a prefix and %q is none: end both in /", from, to)
	}
	if to = strings.TrimPrefix(to, "/"); to != "" {
		if _, err := parseTo(to + any); err != nil {
			return err
		}
	}
	return put(m.prefixes, strings.TrimSuffix(ref.Name(), any), rule{to, line})
}

func put(rules map[string]rule, from string, r rule) error {
	if there, ok := rules[from]; ok {
		return fmt.Errorf("%s has a rule on line %d already", from, there.line)
	}
	rules[from] = r
	return nil
}

// parseTo reads what an image is called below the destination. The name of the destination may stand before
// it.
func parseTo(to string) (registry.Reference, error) {
	host, _, found := strings.Cut(to, "/")
	full := to
	if !found || !strings.ContainsAny(host, ":") {
		full = "registry.invalid/" + to
	}
	ref, err := registry.ParseReference(full)
	switch {
	case err != nil:
		return ref, fmt.Errorf("%q is no name of an image below DEST", to)
	case ref.Digest != "":
		return ref, fmt.Errorf("%q has a digest, which cannot be chosen: give a tag", to)
	case !hasTag(to):
		ref.Tag = ""
	}
	return ref, nil
}

// of is what the rules say of a name, with its tag if it has one.
func (m Mapping) of(name registry.Reference) (string, bool) {
	from, rest := m.fit(name)
	switch r := m.exact[from]; {
	case from == "":
		return "", false
	case rest != "":
		return tagged(m.prefixes[from].to+rest, name), true
	case hasTag(r.to):
		return r.to, true
	default:
		return tagged(r.to, name), true
	}
}

// fit is the FROM of the rule that counts for a name, and what stands behind it if it is a prefix.
func (m Mapping) fit(name registry.Reference) (from, rest string) {
	for _, from := range []string{name.String(), name.Tagged(), name.Name()} {
		if _, ok := m.exact[from]; ok {
			return from, ""
		}
	}
	full := name.Name()
	for end := strings.LastIndexByte(full, '/'); end > 0; end = strings.LastIndexByte(full[:end], '/') {
		if _, ok := m.prefixes[full[:end+1]]; ok {
			return full[:end+1], full[end+1:]
		}
	}
	return "", ""
}

// Unfit lists the rules of the mapping that none of some images fits, each as LABEL:LINE and the full name or
// prefix that it is for, in the order of their lines.
func (d Destination) Unfit(images []registry.Reference) (rules []string) {
	m := d.renaming.Mapping
	left := map[int]string{}
	for _, of := range []map[string]rule{m.exact, m.prefixes} {
		for from, r := range of {
			left[r.line] = from
		}
	}
	for _, im := range images {
		from, _ := m.fit(im)
		delete(left, m.exact[from].line)
		delete(left, m.prefixes[from].line)
	}
	for _, line := range slices.Sorted(maps.Keys(left)) {
		rules = append(rules, fmt.Sprintf("%s:%d %s", m.label, line, left[line]))
	}
	return rules
}
