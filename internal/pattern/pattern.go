// Package pattern chooses among names and tags as people type it: by patterns such as 1.2*, and by ranges of
// versions such as ^1.2 or ">=1.2 <2".
package pattern

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"drayage/internal/natural"
	"drayage/internal/usage"
)

// IsGlob reports whether a name is a pattern.
func IsGlob(name string) bool { return strings.ContainsAny(name, "*?") }

// Glob returns a function that reports whether a whole name matches a pattern. In a pattern * stands for any
// text, slashes included, and ? for one character.
func Glob(pattern string) func(name string) bool {
	text := regexp.QuoteMeta(strings.ToValidUTF8(pattern, "\uFFFD"))
	text = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(text)
	return regexp.MustCompile(`(?s)\A` + text + `\z`).MatchString
}

// maxText bounds what a pattern or range may be long.
const maxText = 4096

// Tags chooses tags. A tag is chosen if one of its parts does.
type Tags []func(tag string) bool

// ParseTags reads what people give for tags: ranges of versions, which begin with one of < > = ! ~ ^, and
// patterns.
func ParseTags(texts []string) (Tags, error) {
	var all Tags
	for _, text := range texts {
		text = strings.TrimSpace(text)
		switch {
		case text == "" || len(text) > maxText:
			return nil, usage.Errorf("%.100q is no pattern of tags: give 1.2*, or a range such as ^1.2", text)
		case !strings.ContainsRune("<>=!~^", rune(text[0])):
			all = append(all, Glob(text))
		default:
			for part := range strings.SplitSeq(text, "||") {
				in, err := parseRange(part)
				if err != nil {
					return nil, usage.Errorf("%q is no range of versions: %v; write it as '>=1.2 <2', '^1.2' "+
						"or '~1.2.3'", text, err)
				}
				all = append(all, in)
			}
		}
	}
	return all, nil
}

// version matches a tag that is a version: up to three numbers, maybe v before them, maybe a suffix such as
// -alpine behind them.
var version = regexp.MustCompile(`\Av?([0-9]{1,18}(?:\.[0-9]{1,18}){0,2})(-.+)?\z`)

// space stands behind an operator, where it divides nothing.
var space = regexp.MustCompile(`([<>=!~^])\s+`)

// parseRange reads a range, which is several conditions with spaces between them. One that begins with - is a
// pattern for the suffix. Without it a tag with a suffix is in no range: whether 1.2.3-rc1 and 1.2.3-alpine
// are wanted beside 1.2.3 is not for a range to tell.
func parseRange(text string) (func(tag string) bool, error) {
	suffix := func(s string) bool { return s == "" }
	var terms []string
	for _, t := range strings.Fields(space.ReplaceAllString(text, "$1")) {
		if t == "-" {
			return nil, errors.New("it has a lone -")
		}
		if strings.HasPrefix(t, "-") {
			suffix = Glob(t)
		} else {
			terms = append(terms, t)
		}
	}
	limits, err := semver.NewConstraint(strings.Join(terms, " "))
	if err != nil {
		return nil, err
	}
	return func(tag string) bool {
		m := version.FindStringSubmatch(tag)
		if m == nil || !suffix(m[2]) {
			return false
		}
		v, err := semver.NewVersion(m[1])
		return err == nil && limits.Check(v)
	}, nil
}

// Choose lists those of some tags that are chosen, in the order of versions.
func (t Tags) Choose(tags []string) (chosen []string) {
	for _, tag := range tags {
		if slices.ContainsFunc(t, func(is func(string) bool) bool { return is(tag) }) {
			chosen = append(chosen, tag)
		}
	}
	natural.Sort(chosen)
	return chosen
}

// Nearest lists up to n of some names that are most like what was asked for: those that begin alike, the last
// versions first.
func Nearest(asked string, names []string, n int) []string {
	asked = strings.TrimLeft(asked, "<>=!~^ ")
	sorted := slices.Clone(names)
	natural.Sort(sorted)
	slices.Reverse(sorted)
	slices.SortStableFunc(sorted, func(a, b string) int {
		return cmp.Compare(common(asked, b), common(asked, a))
	})
	return sorted[:min(n, len(sorted))]
}

// common is how many bytes two texts have in common at their beginnings.
func common(a, b string) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
