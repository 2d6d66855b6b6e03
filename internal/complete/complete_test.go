package complete

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drayage/internal/guide"
)

// newCompleter knows two commands and some names, in a directory of its own.
func newCompleter(t *testing.T) Completer {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"images", "my dir"} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	platform := guide.Flag{Names: []string{"platform"}, Value: true, Repeats: true, Usage: "for `OS/ARCH`"}
	from := guide.Flag{Names: []string{"from"}, Value: true, Repeats: true, Usage: "read `FILE`"}
	output := guide.Flag{Names: []string{"output", "o"}, Value: true, Usage: "into `DIR`"}
	mirror := guide.Flag{Names: []string{"mirror"}, Value: true, Usage: "from `URL`"}
	format := guide.Flag{Names: []string{"format"}, Value: true, Usage: "`docker|oci`: of the tar"}
	json := guide.Flag{Names: []string{"json"}, Usage: "print JSON"}
	return Completer{
		Tool: guide.Tool{
			{Names: []string{"fetch"}, Summary: "fetch images", Usage: "drayage fetch IMAGE... -o DIR",
				Flags: []guide.Flag{platform, from, output, mirror, json}},
			{Names: []string{"save"}, Summary: "save images", Usage: "drayage save SOURCE... -o FILE",
				Flags: []guide.Flag{format, mirror}},
			{Names: []string{"push"}, Usage: "drayage push SOURCE DEST"},
			{Names: []string{"copy", "cp"}, Usage: "drayage copy SOURCE... DEST"},
			{Names: []string{"tag"}, Usage: "drayage tag oci:DIR:NAME NEWNAME"},
			{Names: []string{"completion"}, Usage: "drayage completion bash|zsh"},
			{Names: []string{"help"}, Usage: "drayage help [COMMAND]"},
			{Names: []string{"docs"}, Usage: "drayage docs [PAGE]"},
		},
		Global: []guide.Flag{json},
		Words:  map[string][]Candidate{"PAGE": {{"recipes", "Recipes"}, {"start/k3s", ""}}},
		Images: func(dir string) []string {
			return []string{"docker.io/library/alpine:3.20", "docker.io/library/alpine:3.19",
				"ghcr.io/a/app:1", "corp/b/app:1",
				"sha256:0123", hostile}
		},
		Tags: func(before []string, repository string) []string {
			if repository == "silent" {
				return nil
			}
			return []string{"3.10", "3.9", repository, hostile, "4$(id)", "4`id`", "4;id", "4 x", "4\nx", "4\x1b[m",
				"4'"}
		},
	}
}

const hostile = "x$(touch owned)`touch owned`;touch owned\n\x1b]0;owned\a'\" &|<>{}*?[]!#~\\"

func words(r Reply) string {
	all := []string{string(r.Paths)}
	for _, c := range r.Candidates {
		all = append(all, c.Word)
	}
	return strings.Join(all, " ")
}

func TestReply(t *testing.T) {
	c := newCompleter(t)
	for typed, want := range map[string]string{
		"":                                 "words fetch save push copy tag completion help docs",
		"c":                                "words copy completion",
		"-":                                "words --json",
		"nonsense ":                        "words",
		"help c":                           "words copy completion",
		"docs ":                            "words recipes start/k3s",
		"docs st":                          "words start/k3s",
		"docs recipes ":                    "words",
		"completion ":                      "words bash zsh",
		"completion bash ":                 "words",
		"fetch --":                         "words --platform --from --output --mirror --json",
		"fetch --json --j":                 "words",
		"fetch -o x --o":                   "words",
		"fetch -o --json --j":              "words --json", // --json is the value of -o
		"fetch --from a --f":               "words --from",
		"fetch -- --":                      "words",
		"--from x fetch --pl":              "words --platform",
		"pull --pl":                        "words --platform", // as other tools say
		"fetch --from ":                    "files",
		"fetch --from=a":                   "files",
		"fetch -o ":                        "directories",
		"fetch --mirror ":                  "words",
		"fetch --platform win":             "words windows/amd64",
		"fetch --platform=win":             "words --platform=windows/amd64",
		"fetch --platform linux/amd64,win": "words linux/amd64,windows/amd64",
		"save --format ":                   "words docker oci",
		"save --format docker,":            "words", // no list
		"fetch alpine":                     "words",
		"fetch alpine:":                    "words alpine:3.9 alpine:3.10 alpine:alpine",
		"fetch alpine:3.1":                 "words alpine:3.10",
		"fetch r:5000/a/b:3.9":             "words r:5000/a/b:3.9",
		"fetch localhost:50":               "words",
		"fetch corp.test:50":               "words",
		"fetch alpine@sha256:":             "words",
		"fetch silent:":                    "words",
		"fetch a:3 b:3.9":                  "words b:3.9",
		"save ":                            "files",
		"save oci":                         "files oci: oci-archive:",
		"save im":                          "files",
		"save images:":                     "files", // a layout without oci:
		"save silent:":                     "files",
		"save alpine:3.1":                  "words alpine:3.10",
		"push alpine:3.1":                  "files", // from no registry
		"push a.tar ":                      "words",
		"copy a b ":                        "files",
		"tag ":                             "words oci:",
		"tag oci:im":                       "directories",
		"tag oci:images:app x":             "words",
		"save oci-archive:x":               "files",
		"save oci:images:a":                "words oci:images:alpine:3.20 oci:images:alpine:3.19",
		"save oci:images:g":                "words oci:images:ghcr.io/a/app:1",
		"save oci:images:": "words oci:images:alpine:3.20 oci:images:alpine:3.19 oci:images:ghcr.io/a/app:1 " +
			"oci:images:corp/b/app:1 oci:images:sha256:0123",
	} {
		if got := words(c.Reply(strings.Split(typed, " "))); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

func TestSkip(t *testing.T) {
	c := newCompleter(t)
	for word, want := range map[string]int{"--from=x": 7, "--from=oci-archive:x": 19, "oci:x": 0} {
		if r := c.Reply([]string{"fetch", word}); r.Skip != want {
			t.Errorf("%s: %d, want %d", word, r.Skip, want)
		}
	}
	if r := c.Reply([]string{"save", "oci:im"}); r.Skip != 4 {
		t.Errorf("%d", r.Skip)
	}
}

// TestReadBash asks for the same words and the same piece that bash sees.
func TestReadBash(t *testing.T) {
	const breaks = " \t\n\"'@><=;|&(:"
	for line, want := range map[string]bashLine{
		`drayage `:                 {[]string{"drayage", ""}, "", false},
		`drayage  fe`:              {[]string{"drayage", "fe"}, "fe", false},
		`d "a b" c\ d e'f'g`:       {[]string{"d", "a b", "c d", "efg"}, "g", true},
		`d oci:my\ dir:al`:         {[]string{"d", "oci:my dir:al"}, "al", true},
		`d oci:my\ di`:             {[]string{"d", "oci:my di"}, `my\ di`, true},
		`d "oci:my dir:al`:         {[]string{"d", "oci:my dir:al"}, "oci:my dir:al", true},
		`d 'oci:my \d:al`:          {[]string{"d", `oci:my \d:al`}, `oci:my \d:al`, true},
		`d "a\"b\c`:                {[]string{"d", `a"b\c`}, `a\"b\c`, true},
		`d --platform=linux/a`:     {[]string{"d", "--platform=linux/a"}, "linux/a", false},
		`d a\:b`:                   {[]string{"d", "a:b"}, `a\:b`, true},
		`d "" x`:                   {[]string{"d", "", "x"}, "x", false},
		"d oci:im\u00e4ges:\u00e4": {[]string{"d", "oci:im\u00e4ges:\u00e4"}, "\u00e4", false},
		`d x\`:                     {[]string{"d", "x"}, `x\`, true},
	} {
		got := readBash(line, breaks)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(bashLine{})); diff != "" {
			t.Errorf("%s: -want +got:\n%s", line, diff)
		}
	}
	if got := readBash("d oci:a:b", " \t\n"); got.piece != "oci:a:b" {
		t.Errorf("%q without colons among the breaks", got.piece)
	}
}

func TestBash(t *testing.T) {
	c := newCompleter(t)
	const breaks = " \t\n\"'@><=;|&(:"
	for line, want := range map[string]string{
		`drayage fetch alpine:3.1`:           "words 3.10",
		`drayage fetch --platform=win`:       "words windows/amd64",
		`drayage save oci:my\ dir:alpine:3.`: "words 3.20 3.19",
		`drayage save oci:my\ dir:alp`:       "words alpine:3.20 alpine:3.19",
		`drayage save "oci:my dir:alpine:3.`: "words oci:my dir:alpine:3.20 oci:my dir:alpine:3.19",
		`drayage save "oc`:                   "files",
		`drayage`:                            "words",
		``:                                   "words fetch save push copy tag completion help docs",
	} {
		if got := words(c.Bash(line, breaks)); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// TestAnswer asks that no byte of a hostile name reaches a shell, in any form.
func TestAnswer(t *testing.T) {
	c := newCompleter(t)
	answer := func(args ...string) string {
		var b strings.Builder
		line := "" // of bash
		if args[0] == "bash" {
			line, args = args[1], []string{"bash", args[2]}
		}
		if err := c.Answer(strings.NewReader(line), &b, args); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, args := range [][]string{
		{"zsh", "fetch", "x:"}, {"fish", "fetch", "x:"}, {"powershell", "fetch", "=x:"},
		{"bash", "d fetch x:", " :"},
		{"zsh", "save", "oci:images:"}, {"bash", "d save oci:images:", " :"}, {"zsh", "fetch", "x:4"},
		{"zsh", "save", "oci:images:x"}, {"zsh", "docs", "\n"},
	} {
		if got := answer(args...); strings.ContainsAny(got, "$`;\x1b'\"&|<>") || strings.Contains(got, "owned") {
			t.Errorf("%q: %q", args, got)
		}
	}
	if got, want := answer("zsh", "sa"), "words 0\nsave\tsave images\n"; got != want {
		t.Errorf("%q", got)
	}
	if got, want := answer("bash", "d sa", " "), "words 0\nsave\n"; got != want {
		t.Errorf("%q", got)
	}
	if got, want := answer("powershell", "="), "words 0\nfetch\tfetch images\n"; !strings.HasPrefix(got, want) {
		t.Errorf("%q", got)
	}
	if got := answer("zsh"); got != "" {
		t.Errorf("%q without words", got)
	}
	if err := os.Mkdir(filepath.Join("new\nline"), 0o777); err != nil {
		t.Fatal(err)
	}
	if got := answer("zsh", "save", "oci:new\nline:"); got != "words 0\n" {
		t.Errorf("%q of a directory with a line end in its name", got)
	}
}

func TestMany(t *testing.T) {
	c := newCompleter(t)
	c.Tags = func([]string, string) []string { return make([]string, 3*maxCandidates) }
	if n := len(c.Reply([]string{"fetch", "x:"}).Candidates); n != maxCandidates {
		t.Errorf("%d candidates", n)
	}
}

func TestScripts(t *testing.T) {
	for _, shell := range Shells {
		if text := Script(shell); !strings.Contains(text, "__complete "+shell) {
			t.Errorf("%s: %q", shell, text)
		}
	}
	if Script("tcsh")+Script("../drayage") != "" {
		t.Error("a script for no shell")
	}
}
