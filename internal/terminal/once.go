package terminal

import (
	"regexp"
	"strings"
)

// verb is what follows the subject of a sentence: is, has, wants.
var verb = regexp.MustCompile(`^ [a-z]+s `)

// Once takes out of the text of an error what it says twice in a row: whoever wraps an error names a thing
// that the error may name itself, as in "push x.tar: x.tar: permission denied".
func Once(text string) string {
	parts := strings.Split(text, ": ")
	kept := parts[:1]
	for _, part := range parts[1:] {
		last := kept[len(kept)-1]
		name := last[strings.LastIndexByte(last, ' ')+1:]
		rest, named := strings.CutPrefix(part, name)
		switch {
		case !named || name == "":
		case rest == "":
			continue
		case verb.MatchString(rest):
			part = "it" + rest
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, ": ")
}
