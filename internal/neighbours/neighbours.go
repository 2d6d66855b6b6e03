// Package neighbours chooses the tags of a repository whose images are most probably like another one.
package neighbours

import (
	"regexp"
	"slices"
	"strings"

	"drayage/internal/limits"
	"drayage/internal/natural"
)

var (
	digits   = regexp.MustCompile(`[0-9]+`)
	version  = regexp.MustCompile(`^v?[0-9]`)
	referrer = regexp.MustCompile(`^sha(256|512)-[0-9a-f]{64}`) // a tag of what belongs to another image
)

// shape is a tag without its numbers: what tells the variants of an image apart.
func shape(tag string) string { return digits.ReplaceAllString(tag, "0") }

// Tags chooses those of a repository's tags whose images most probably have layers of the image with one tag,
// or layers like them: of the same variant the tags before and behind it and the newest one, then latest, and
// of all variants the newest and the one before it.
func Tags(tags []string, pushed string) (near []string) {
	tags = tags[:min(len(tags), limits.AskedNames)]
	same, all := around{pushed: pushed}, around{pushed: pushed}
	variant := shape(pushed)
	for _, t := range tags {
		if t == pushed || referrer.MatchString(t) {
			continue
		}
		if all.see(t); shape(t) == variant {
			same.see(t)
		}
	}
	latest := ""
	if pushed != "latest" && slices.Contains(tags, "latest") {
		latest = "latest"
	}
	for _, t := range []string{same.before, same.behind, same.newest, latest, all.newest, all.before} {
		if t != "" && !slices.Contains(near, t) {
			near = append(near, t)
		}
	}
	return near[:min(len(near), limits.AskedTags)]
}

// around are the tags next to one, and the newest of all.
type around struct{ pushed, before, behind, newest string }

func (a *around) see(tag string) {
	if natural.Compare(tag, a.pushed) < 0 {
		if a.before == "" || natural.Compare(tag, a.before) > 0 {
			a.before = tag
		}
	} else if a.behind == "" || natural.Compare(tag, a.behind) < 0 {
		a.behind = tag
	}
	if a.newest == "" || newer(tag, a.newest) {
		a.newest = tag
	}
}

// newer compares tags as versions. What is none is older than all that are.
func newer(tag, than string) bool {
	is, was := version.MatchString(tag), version.MatchString(than)
	if is != was {
		return is
	}
	return natural.Compare(strings.TrimPrefix(tag, "v"), strings.TrimPrefix(than, "v")) > 0
}
