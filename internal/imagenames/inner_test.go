package imagenames

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzInterpolate checks that text without variables stays, and that what comes out is bounded.
func FuzzInterpolate(f *testing.F) {
	nested := strings.Repeat("${A:-", 50)
	for _, s := range []string{"a", "${A:-b}", "$A$$", "${A:+${B-c}}", "${", "${A?x}", nested} {
		f.Add(s, true)
		f.Add(s, false)
	}
	get := func(name string) (string, bool) { return "v" + name, len(name)%2 == 0 }
	f.Fuzz(func(t *testing.T, s string, loose bool) {
		in := interpolation{get: get, loose: loose}
		out, err := in.all(s, 0)
		if loose && err != nil {
			for _, bound := range []string{"too m", "not set", "is no image"} {
				if strings.Contains(err.Error(), bound) {
					return
				}
			}
			t.Errorf("%q: %v", s, err)
		}
		if err == nil && !strings.Contains(s, "$") && out != s {
			t.Errorf("%q becomes %q", s, out)
		}
		if len(out) > 2*len(s) {
			t.Errorf("%q becomes %q", s, out)
		}
		_, _, _ = replaceAll(s, func(name string) (string, bool) { return s, true })
	})
}

// FuzzReadEnv checks that a plain line is read, whatever stands before it.
func FuzzReadEnv(f *testing.F) {
	for _, s := range []string{"A=1", "export A: \"x\\n\"", "# no", "A='$B", "\xff\xfeA\x00", "A=$A"} {
		f.Add(s)
	}
	none := func(string) (string, bool) { return "", false }
	f.Fuzz(func(t *testing.T, s string) {
		vars := readEnv([]byte(s+"\nLAST=value\n"), none)
		if strings.ContainsAny(s, "'\"\x00") || !utf8.ValidString(s) {
			return // a quote may go on to the end, and UTF-16 is other text
		}
		if vars["LAST"] != "value" {
			t.Errorf("%q: %q", s, vars)
		}
	})
}
