package guide

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	commands := []string{"fetch", "save", "push", "ls", "rm", "inspect", "digest", "login", "logout"}
	for word, want := range map[string]string{
		"ftech": "fetch", "fecth": "fetch", "fetc": "fetch", "Fetch": "fetch", "sl": "ls", "insp": "inspect",
		"logn": "login", "pish": "push", "xyzzy": "", "": "", "f": "", "loggout": "logout",
		strings.Repeat("x", 1<<20): "",
	} {
		if got := Nearest(word, commands); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "xabc", 1},
		{"abc", "axc", 1}, {"ü", "u", 1}, {"kitten", "sitting", 3},
	} {
		if got := distance(tc.a, tc.b); got != tc.want || distance(tc.b, tc.a) != tc.want {
			t.Errorf("%q, %q: %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

func TestOr(t *testing.T) {
	for want, words := range map[string][]string{
		"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"},
	} {
		if got := Or(words...); got != want {
			t.Errorf("%q: %s", words, got)
		}
	}
}

func TestNearestFew(t *testing.T) {
	tags := []string{"3.18", "3.19", "3.20", "3.21.1", "edge", "latest"}
	for word, want := range map[string]string{
		"3.2": "3.21.1 3.20 3.19", "3.22": "3.20 3.19 3.18", "lates": "latest", "x": "",
	} {
		if got := strings.Join(NearestFew(word, tags, 3), " "); got != want {
			t.Errorf("%s: %s, want %s", word, got, want)
		}
	}
}

// FuzzCommand makes sure that no words, however odd, end the program or mean two things.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{
		"ftech alpine", "image image image", "cp a oci:b:c", "load -i x", "catalog -q a", "copy - -",
	} {
		f.Add(s)
	}
	known := []string{"fetch", "save", "push", "ls"}
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Fields(line)
		if len(words) == 0 {
			return
		}
		got, err := translateCommand(words, known)
		if err == nil && !strings.Contains("fetch save push ls", got[0]) {
			t.Errorf("%q is read as %q", line, got)
		}
		if err != nil && err.Error() == "" {
			t.Errorf("%q: nothing is said", line)
		}
	})
}

func TestSlipsOfOneLetter(t *testing.T) {
	for word, want := range map[string]string{"p": "", "M": "m", "mx": ""} {
		if got := Slip(word, []string{"m"}); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
