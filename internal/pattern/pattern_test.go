package pattern_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"drayage/internal/pattern"
	"drayage/internal/usage"
)

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"*", "corp.test/a/b:1", true}, {"*:1.2*", "corp.test/a:1.2.3", true},
		{"*:1.2*", "corp.test/a:1.3", false}, {"1.2", "1.2", true}, {"1.2", "1x2", false}, {"1.?", "1.2", true},
		{"1.?", "1.", false}, {"1.?", "1.10", false}, {"a", "aa", false}, {"[a]", "a", false}, {"[a]", "[a]", true},
		{"**a***b", "xab", true}, {"**a***b", "xa", false}, {".**", "x", false}, {"a*", "a\nb", true}, {`\*`, `\x`, true}, {"(", "(", true},
	} {
		if got := pattern.Glob(c.pattern)(c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.name, got)
		}
	}
}

func TestTags(t *testing.T) {
	tags := strings.Fields("1 1.2 1.2.0 1.2.3 1.2.3-alpine 1.2.3-rc1 1.9 1.10 v1.11.1 2 2.0.0 2.1-alpine3.20 " +
		"latest 1.2.3.4 20240101 edge-1.2 1.2_3 v 99999999999999999999")
	cosign := "sha256-" + strings.Repeat("a", 64) + ".sig"
	for _, c := range []struct{ text, want string }{
		{"1.2*", "1.2 1.2.0 1.2.3 1.2.3-alpine 1.2.3-rc1 1.2.3.4 1.2_3"}, {"latest", "latest"}, {"1.2", "1.2"},
		{">=1.2 <2", "1.2 1.2.0 1.2.3 1.9 1.10 v1.11.1"}, {">= 1.2, < 2", "1.2 1.2.0 1.2.3 1.9 1.10 v1.11.1"},
		{"^1.2", "1.2 1.2.0 1.2.3 1.9 1.10 v1.11.1"}, {"~1.2", "1.2 1.2.0 1.2.3"}, {"~1.2.1", "1.2.3"},
		{"^1.2 -alpine*", "1.2.3-alpine"}, {">=1 -*", "1.2.3-alpine 1.2.3-rc1 2.1-alpine3.20"},
		{"=1.10", "1.10"}, {">=2 || ~1.2.1", "1.2.3 2 2.0.0 20240101"}, {"!=2 <3 >1.9", "1.10 v1.11.1"},
		{">3 <4", ""}, {"sha*", ""}, {"sha256-*", cosign}, {"latest || ^1.10", "1.10 latest v1.11.1"},
	} {
		sel, err := pattern.ParseTags(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		got, err := sel.Choose(append(tags, cosign))
		if want := c.want == ""; (err != nil) != want {
			t.Errorf("%q: %v", c.text, err)
		}
		want := strings.Fields(c.want)
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("%q chooses %q, want %q", c.text, got, want)
		}
	}
	for _, bad := range []string{"", " ", ">", "^foo", ">=1.2 <", "~", ">=1.2 foo", "^1 - 2", "^1 ||",
		strings.Repeat("*", 5000)} {
		if _, err := pattern.ParseTags(bad); !errors.As(err, new(*usage.Error)) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestAllTags(t *testing.T) {
	all, err := pattern.ParseTags("*")
	if err != nil {
		t.Fatal(err)
	}
	got, err := all.Choose([]string{"1.10", "1.9", "sha256-" + strings.Repeat("a", 64)})
	if want := []string{"1.9", "1.10"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := all.Choose(nil); err == nil {
		t.Error("no error about no tags")
	}
	none, err := pattern.ParseTags("2.*")
	if err == nil {
		_, err = none.Choose([]string{"1.9", "20.1", "1.10"})
	}
	const says = `none of its tags matches "2.*"; the nearest: 20.1, 1.10, 1.9`
	if err == nil || err.Error() != says {
		t.Error(err)
	}
}

func TestNearest(t *testing.T) {
	tags := []string{"1.2", "1.10", "latest", "2.0"}
	for asked, want := range map[string]string{"^1.3": "1.10 1.2", "lates": "latest 2.0", "9": "latest 2.0"} {
		if got := strings.Join(pattern.Nearest(asked, tags, 2), " "); got != want {
			t.Errorf("nearest to %q: %s, want %s", asked, got, want)
		}
	}
}

func FuzzTags(f *testing.F) {
	f.Add("^1.2", "1.2.3")
	f.Add(">=1 <2 -a*", "v1.5-alpine")
	f.Add("*-?", "x-y")
	f.Fuzz(func(t *testing.T, text, tag string) {
		if sel, err := pattern.ParseTags(text); err == nil {
			sel.Choose([]string{tag})
		}
	})
}
