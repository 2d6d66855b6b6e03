//go:build linux

package interop

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

var overstruck = regexp.MustCompile(`.\x08`)

// Man and mandoc find nothing wrong with any man page, and both show it within 80 columns.
func TestManPages(t *testing.T) {
	t.Parallel()
	require(t, "man", "groff", "mandoc", "lexgrog")
	dir := scratch(t)
	drayage(t, "man", "-o", dir).ok(t)
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 15 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	for _, page := range pages {
		name := strings.TrimSuffix(filepath.Base(page), ".1")
		if out := run(t, "lexgrog", page); !strings.Contains(out, `"`+name+" - ") {
			t.Errorf("lexgrog: %s", out)
		}
		for _, argv := range [][]string{
			{"man", "-l", "--warnings=w", page}, {"groff", "-man", "-Tutf8", "-ww", page}, {"mandoc", page},
			{"mandoc", "-T", "lint", "-W", "style", page},
		} {
			o := invocation{argv: argv, env: []string{"MANWIDTH=80", "GROFF_NO_SGR=1"}, quiet: true}.run(t)
			if o.code != 0 || o.stderr != "" || strings.Contains(strings.Join(argv, " "), "lint") && o.stdout != "" {
				t.Errorf("%q: exit code %d\n%s%s", argv, o.code, o.stderr, o.stdout)
			}
			for line := range strings.Lines(overstruck.ReplaceAllString(o.stdout, "")) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
					t.Errorf("%q: %d columns: %s", argv, n, line)
				}
			}
		}
	}
}
