package handbook

import (
	"fmt"
	"slices"
	"strings"

	"drayage/internal/guide"
)

// maxFound is how many sections a search shows, and maxNear how many if none has all the words.
const (
	maxFound = 20
	maxNear  = 3
)

// Search lists the sections that hold all the words, in reading order, those first that have them in their
// heading. If there are none, it lists those that hold most of the words, because whoever looks up a message
// pastes the names in it too. It returns an empty text if no section has half of them.
func (b *Book) Search(words []string) string {
	if found := b.all(words); found != "" {
		return found
	}
	return b.most(strings.Fields(strings.Join(words, " ")))
}

// all lists the sections that hold all the words.
func (b *Book) all(words []string) string {
	var first, others []string
	for _, p := range b.Pages() {
		for _, s := range p.sections() {
			if !holds(s.text, words) {
				continue
			}
			found := s.found(p, words)
			if holds(s.heading, words) {
				first = append(first, found)
			} else {
				others = append(others, found)
			}
		}
	}
	all := append(first, others...)
	more := ""
	if n := len(all) - maxFound; n > 0 {
		all, more = all[:maxFound], fmt.Sprintf("and %d more: a further word leaves fewer\n", n)
	}
	return strings.Join(all, "") + more
}

// most lists the sections that hold the most of several words: at least half of them. Short words, such as
// "or", are in every section.
func (b *Book) most(words []string) string {
	for i, w := range words {
		words[i] = strings.Trim(w, `.,:;()"'`)
	}
	words = slices.DeleteFunc(words, func(w string) bool { return len(w) < 3 })
	type near struct {
		has  int
		text string
	}
	var all []near
	for _, p := range b.Pages() {
		for _, s := range p.sections() {
			if n := held(s.text, words); n > 1 && 2*n >= len(words) {
				all = append(all, near{n, s.found(p, words)})
			}
		}
	}
	if len(all) == 0 {
		return ""
	}
	slices.SortStableFunc(all, func(x, y near) int { return y.has - x.has })
	text := "No section has all these words. Most of them are in:\n"
	for _, n := range all[:min(len(all), maxNear)] {
		text += n.text
	}
	return text
}

// held is how many of the words a text holds.
func held(text string, words []string) (n int) {
	for _, w := range words {
		if holds(text, []string{w}) {
			n++
		}
	}
	return n
}

// found is what a search shows of a section.
func (s part) found(p *Page, words []string) string {
	return fmt.Sprintf("drayage docs %s#%s\n%s\n", p.Name, s.anchor,
		guide.Hang("   ", excerpt(s, words), len("   ")))
}

func holds(text string, words []string) bool {
	text = strings.ToLower(text)
	for _, w := range words {
		if !strings.Contains(text, strings.ToLower(w)) {
			return false
		}
	}
	return true
}

// excerpt is the first line of a section that holds most of the words, behind its heading.
func excerpt(s part, words []string) string {
	best, most := s.heading, 0
	for _, line := range strings.Split(s.text, "\n") {
		if n := held(line, words); n > most && !headingLine.MatchString(line) {
			best, most = s.heading+": "+strings.Trim(plain(line), "| "), n
		}
	}
	return best
}
