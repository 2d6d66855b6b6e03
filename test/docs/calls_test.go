package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"drayage/internal/guide"
)

var (
	lowerWord = regexp.MustCompile(`[a-z]+`)
	call      = regexp.MustCompile(`(?:^|[|&;] *)drayage ([a-z-]+)`)
	wrapped   = regexp.MustCompile(`^(\$ )?(sudo|ssh|time|nohup|xargs|exec|env|watch)\b[^|;&]* drayage [a-z]`)
)

// odd returns what is wrong with a line of code, or "". A line with a slip in the name of drayage would count
// as one of a program that need not be here, and the same line behind sudo would go to its stub: nothing
// would try them.
func odd(line string, verbs []string) string {
	for _, w := range lowerWord.FindAllString(line, -1) {
		if w != "drayage" && guide.Slip(w, []string{"drayage"}) != "" {
			return "this looks like drayage: " + w
		}
	}
	for _, m := range call.FindAllStringSubmatch(line, -1) {
		if !strings.HasPrefix(m[1], "-") && !slices.Contains(verbs, m[1]) {
			return "drayage has no command " + m[1]
		}
	}
	if wrapped.MatchString(line) {
		return "nothing tries drayage behind another program"
	}
	return ""
}

// TestCallsAreWritten looks at all code of all pages, also at the pieces in sentences, which nothing runs.
func TestCallsAreWritten(t *testing.T) {
	all, seen := append(verbs(t), "cp", "does"), 0 // the last begins a message
	for _, p := range pages(t) {
		for _, m := range inCode.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
			seen++
			if bad := odd(m[1], all); bad != "" {
				t.Errorf("%s: `%s`: %s", p.name, m[1], bad)
			}
		}
		for _, b := range p.blocks {
			for i, line := range b.lines {
				if bad := odd(line, all); bad != "" && b.commands(known) {
					t.Errorf("%s:%d: %s: %s", p.name, b.line+i, line, bad)
				}
				first, _, _ := strings.Cut(strings.TrimPrefix(line, "$ "), " ")
				if bad := odd(first, nil); bad != "" {
					t.Errorf("%s:%d: %s: %s", p.name, b.line+i, line, bad)
				}
			}
		}
	}
	if seen < 500 {
		t.Errorf("only %d pieces of code were found", seen)
	}
}

func TestOdd(t *testing.T) {
	for line, want := range map[string]string{
		"draygae save a":               "this looks like drayage: draygae",
		"drayag":                       "this looks like drayage: drayag",
		"cat a | drayage pusch - b":    "drayage has no command pusch",
		"sudo drayage save a":          "nothing tries drayage behind another program",
		"drayage save a":               "",
		"drayage --version":            "",
		"sudo cp drayage /bin/":        "",
		"ssh host cat a | drayage ls":  "",
		"drayage save a -o drayage.my": "",
	} {
		if got := odd(line, []string{"save", "ls"}); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
