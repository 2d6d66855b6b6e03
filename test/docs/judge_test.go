package docs

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestParseRefuses: a mistake in a comment must not switch a test off.
func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"<!-- docs: skip -->\n    drayage ls a\n",
		"<!-- docs: skpi because -->\n    drayage ls a\n",
		"<!-- docs: exit 3 -->\nno block\n",
		"<!-- docs: file a\nno end\n",
	} {
		if _, err := parse("a.md", text); err == nil {
			t.Errorf("parse took %q", text)
		}
	}
}

func TestStepsOfBlocks(t *testing.T) {
	for _, tc := range []struct {
		text string
		want []string // nil where the block holds no commands
	}{
		{"drayage ls a\n\n# why\ndocker load -i a", []string{"drayage ls a", "docker load -i a"}},
		{"aws ecr get-login-password |\n  drayage ls a", []string{"aws ecr get-login-password |\n  drayage ls a"}},
		{"drayage ls \\\n  a", []string{"drayage ls \\\n  a"}},
		{"$ drayage ls a\n1.0\n$ ls", []string{"drayage ls a", "ls"}},
		{"ls\n\n$ drayage ls a\n1.0", []string{"ls", "drayage ls a"}},
		{"for a in b; do\n  drayage ls $a\ndone\nls", []string{"for a in b; do\n  drayage ls $a\ndone", "ls"}},
		{"cat >f <<EOF\ndrayage\nEOF\nls", []string{"cat >f <<EOF\ndrayage\nEOF", "ls"}},
		{"drayage: fetch: no such thing", nil},
		{"fetch  37%  6/13 blobs", nil},
		{"unknown program\ndrayage ls a", []string{"unknown program", "drayage ls a"}},
	} {
		b := block{lines: strings.Split(tc.text, "\n")}
		var got []string
		if b.commands(known) {
			for _, s := range b.steps() {
				got = append(got, s.command)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("steps of %q are %q, want %q", tc.text, got, tc.want)
		}
	}
}

func TestWrong(t *testing.T) {
	failed := errors.New("exit status 1")
	for _, tc := range []struct {
		calls []string
		err   error
		want  int
		last  bool
		bad   bool
	}{
		{[]string{"0 drayage ls"}, nil, 0, true, false},
		{[]string{"3 drayage ls"}, nil, 0, true, true}, // hidden by a pipe
		{nil, failed, 0, true, true},
		{[]string{"3 drayage ls"}, failed, 3, true, false},
		{[]string{"4 drayage ls"}, failed, 3, true, true},
		{[]string{"3 drayage ls"}, failed, 3, false, true}, // too early
		{[]string{"0 drayage ls"}, nil, 3, true, true},
		{nil, failed, 3, true, true},
	} {
		if got := wrong(tc.calls, tc.err, tc.want, tc.last); (got != "") != tc.bad {
			t.Errorf("%+v is judged %q", tc, got)
		}
	}
}

func TestOutputIsCompared(t *testing.T) {
	const got = "a  1.2 MB  0123456789ab\nb: done in 3.1s\n\nc\n"
	for _, tc := range []struct {
		want string
		ok   bool
	}{
		{"a 5 kB ba9876543210\nb: done in 0.1 s\nc", true},
		{"a ...\n...\nc", true},
		{"...", true},
		{"a 5 kB ba9876543210\nb: done in 0.1 s", false},
		{"b: done in 0.1 s\nc", false},
		{"a ...\n...\nd", false},
	} {
		if pattern(strings.Split(tc.want, "\n")).MatchString(level(got)) != tc.ok {
			t.Errorf("%q and %q: agreement is not %v", tc.want, got, tc.ok)
		}
	}
}
