// Package pattern chooses among names and tags as people type it: by patterns such as 1.2*, and by ranges of
// versions such as ^1.2 or ">=1.2 <2".
package pattern

import (
	"cmp"
	"errors"
	"fmt"
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
	text = stars.ReplaceAllString(strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(text), `.*`)
	return regexp.MustCompile(`(?s)\A` + text + `\z`).MatchString
}

var stars = regexp.MustCompile(`(\.\*){2,}`) // each * takes time, and all of them mean one

// maxText bounds what a pattern or range may be long.
const maxText = 4096

// Tags chooses tags.
type Tags struct {
	text      string
	parts     []func(tag string) bool // a tag is chosen if one of them takes it
	referrers bool                    // it is meant to choose the tags of referrers too
}

// ParseTags reads what people give for tags: patterns, and ranges of versions, which begin with one of
// < > = ! ~ ^. Several stand with || between them.
func ParseTags(text string) (Tags, error) {
	t := Tags{text: text}
	if len(text) > maxText {
		return t, usage.Errorf("a pattern of %d bytes: %d are enough", len(text), maxText)
	}
	for part := range strings.SplitSeq(text, "||") {
		part = strings.TrimSpace(part)
		switch {
		case part == "":
			return t, usage.Errorf("%q is no pattern of tags: give 1.2*, or a range such as ^1.2", text)
		case !strings.ContainsRune("<>=!~^", rune(part[0])):
			t.parts = append(t.parts, Glob(part))
			t.referrers = t.referrers || strings.HasPrefix(part, "sha256-")
		default:
			in, err := parseRange(part)
			if err != nil {
				return t, usage.Errorf("%q is no range of versions: %v; write it as '>=1.2 <2', '^1.2' or '~1.2.3'",
					part, err)
			}
			t.parts = append(t.parts, in)
		}
	}
	return t, nil
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

// referrer matches the tags of referrers: cosign's, and those that stand in for the referrers API.
var referrer = regexp.MustCompile(`\Asha256-[0-9a-f]{64}(\.[a-z]+)?\z`)

// Choose lists those of some tags that are chosen, in the order of versions. If there are none, the error
// names the nearest.
func (t Tags) Choose(tags []string) (chosen []string, err error) {
	own := slices.DeleteFunc(slices.Clone(tags), func(tag string) bool {
		return !t.referrers && referrer.MatchString(tag)
	})
	for _, tag := range own {
		if slices.ContainsFunc(t.parts, func(is func(string) bool) bool { return is(tag) }) {
			chosen = append(chosen, tag)
		}
	}
	natural.Sort(chosen)
	switch {
	case len(chosen) > 0:
		return chosen, nil
	case len(own) == 0:
		return nil, errors.New("it has no tags")
	}
	return nil, fmt.Errorf("none of its tags matches %q; the nearest: %s", t.text,
		strings.Join(Nearest(t.text, own, maxNearest), ", "))
}

const maxNearest = 5

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
