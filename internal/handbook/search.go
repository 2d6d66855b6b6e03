package handbook

import (
	"cmp"
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
// heading. If there are none, it lists those that hold most of the words in a row, because whoever looks up a
// message pastes the names in it too. It returns an empty text if no section has two of them in a row.
func (b *Book) Search(words []string) string {
	if found := b.all(words); found != "" {
		return found
	}
	return b.nearest(strings.Fields(strings.Join(words, " ")))
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

// nearest lists the sections that hold the most words in a row, as they stand one after the other.
func (b *Book) nearest(words []string) string {
	for i, w := range words {
		words[i] = strings.ToLower(strings.Trim(w, `.,:;()"'`))
	}
	type near struct {
		run, has int
		text     string
	}
	var all []near
	for _, p := range b.Pages() {
		for _, s := range p.sections() {
			if n := run(s.text, words); n > 1 {
				all = append(all, near{n, held(s.text, words), s.found(p, words)})
			}
		}
	}
	if len(all) == 0 {
		return ""
	}
	slices.SortStableFunc(all, func(x, y near) int { return cmp.Or(y.run-x.run, y.has-x.has) })
	text := "No section has all these words. The nearest are:\n"
	for _, n := range all[:min(len(all), maxNear)] {
		text += n.text
	}
	return text
}

// run is how many of the words stand in a text one after the other, at most.
func run(text string, words []string) (longest int) {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for i := range words {
		for end := i + longest + 1; end <= len(words); end++ {
			if !strings.Contains(text, strings.Join(words[i:end], " ")) {
				break
			}
			longest = end - i
		}
	}
	return longest
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
