package registry

import (
	"strings"
	"testing"
)

func TestNextLink(t *testing.T) {
	for _, tc := range []struct {
		want    string
		headers []string
	}{
		{"/v2/a/tags/list?last=x&n=5", []string{`</v2/a/tags/list?last=x&n=5>; rel="next"`}},
		{"/n", []string{`</n>;rel=next`}},
		{"/n", []string{` , </n> ;  rel = "next" ; title="more, and; more" `}},
		{"/n", []string{`</n>; REL="NEXT"`}},
		{"/n", []string{`</n>; rel="last next"`}},
		{"/n", []string{`</p>; rel="prev", </n>; rel="next"`}},
		{"/n", []string{`</p>; rel="prev"`, `</n>; rel="next"`}},
		{"/n", []string{`broken`, `</n>; rel="next"`}},
		{"/a,b;c", []string{`</a,b;c>; rel="next"`}},
		{"/n", []string{`</n>; title="a \"quoted, <word>\""; rel="next"`}},
		{"/n", []string{`</n>; flag; rel=next`}},
		{"https://r.example/v2/a/tags/list?last=b",
			[]string{`<https://r.example/v2/a/tags/list?last=b>; rel="next"`}},
		{"", []string{`</n>; rel="prev"; rel="next"`}}, // the second rel does not count
		{"", nil},
		{"", []string{""}},
		{"", []string{`</n>`}},
		{"/n", []string{`/n; rel="next"`}}, // without its brackets
		{"", []string{`</n; rel="next"`}},
		{"", []string{`/n>; rel="next"`}},
		{"", []string{`/n<m; rel="next"`}},
		{"", []string{`"/n"; rel="next"`}},
		{"", []string{`</n>; rel="next`}},
		{"", []string{`</n>; rel="next\`}},
		{"", []string{`</n>; rel="nextpage"`}},
		{"", []string{`<>; rel="next"`}},
		{"/n", []string{`<>; rel="next"`, `</n>; rel="next"`}},
	} {
		if got := nextLink(tc.headers); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.headers, got, tc.want)
		}
	}
}

func FuzzNextLink(f *testing.F) {
	for _, s := range []string{
		`</v2/a/tags/list?last=x&n=5>; rel="next"`, `</p>; rel="prev", </n>; rel="next"`,
		`</n>; title="a \"q\""; rel=next`,
		`<`, `<>`, `</n>;`, `</n>; rel="`, `</n>; rel="\`, `</n>;;;=,`, "</n>\x00; rel=next",
		"L/n>\x00; rel=next", `/n; rel=next`, `</p>; rel=prev, /n; rel=next`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got := nextLink([]string{header})
		if !strings.Contains(header, got) {
			t.Fatalf("%q does not stand in %q", got, header)
		}
		if !strings.Contains(header, "<"+got+">") && strings.ContainsAny(got, "<;\" \t") ||
			strings.ContainsAny(got, ">") {
			t.Fatalf("%q goes beyond its end", got)
		}
		// What is said in a second header counts only if the first says nothing.
		want := got
		if want == "" {
			want = "/other"
		}
		if both := nextLink([]string{header, `</other>; rel="next"`}); both != want {
			t.Fatalf("with another header: %q, want %q", both, want)
		}
	})
}
