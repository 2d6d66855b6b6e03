package handbook

import (
	"fmt"
	"strings"

	"drayage/internal/guide"
)

// maxFound is how many sections a search shows.
const maxFound = 20

// Search lists the sections that hold all the words, in reading order, those first that have them in their
// heading. It returns an empty text if there are none.
func (b *Book) Search(words []string) string {
	var first, others []string
	for _, p := range b.Pages() {
		for _, s := range p.sections() {
			if !holds(s.text, words) {
				continue
			}
			found := fmt.Sprintf("drayage docs %s#%s\n%s\n", p.Name, s.anchor,
				guide.Hang("   ", excerpt(s, words), len("   ")))
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

func holds(text string, words []string) bool {
	text = strings.ToLower(text)
	for _, w := range words {
		if !strings.Contains(text, strings.ToLower(w)) {
			return false
		}
	}
	return true
}

// excerpt is the first sentence or line of a section that has the first of the words, behind its heading.
func excerpt(s part, words []string) string {
	for _, line := range strings.Split(s.text, "\n") {
		if !headingLine.MatchString(line) && holds(line, words[:1]) {
			return s.heading + ": " + strings.Trim(plain(line), "| ")
		}
	}
	return s.heading
}
