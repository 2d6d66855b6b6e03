package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"drayage/internal/guide"
)

var update = flag.Bool("update", false, "write the help pages into testdata/help")

// TestHelp keeps each help page as it is in testdata/help, and within 80 columns. After a change of a flag:
// go test ./cmd/drayage -run TestHelp -update
func TestHelp(t *testing.T) {
	app := newApp(newEnvironment(nil, os.Stdin, os.Stdout, os.Stderr))
	pages := map[string][]string{"drayage": {"drayage", "--help"}}
	for _, c := range app.Commands {
		pages[c.Name] = []string{"drayage", c.Name, "--help"}
	}
	for name, args := range pages {
		var stdout, stderr bytes.Buffer
		if code := run(args, os.Stdin, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
			t.Errorf("%q: exit code %d, %s", args, code, stderr.String())
		}
		for line := range strings.Lines(stdout.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 79 {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
		golden(t, filepath.Join("testdata", "help", name+".txt"), stdout.String())
	}
	kept, err := filepath.Glob("testdata/help/*.txt")
	if err != nil || len(kept) != len(pages) {
		t.Errorf("%d pages are kept and there are %d: %v", len(kept), len(pages), err)
	}
}

// golden compares a text with a file, or writes the file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-kept +now; -update keeps what is now):\n%s", path, diff)
	}
}

// TestFlagsAreDescribed asks of each flag what its line on the help page needs.
func TestFlagsAreDescribed(t *testing.T) {
	app := newApp(newEnvironment(nil, os.Stdin, os.Stdout, os.Stderr))
	for _, c := range app.Commands {
		if !hasGroup(c.Category, commandGroups) {
			t.Errorf("%s is in no group of commands: %q", c.Name, c.Category)
		}
		for _, f := range c.Flags {
			if f.Names()[0] == "help" {
				continue
			}
			if g, ok := f.(cli.CategorizableFlag); !ok || !hasGroup(g.GetCategory(), groups) {
				t.Errorf("%s --%s is in no group of flags", c.Name, f.Names()[0])
			}
			doc := f.(cli.DocGenerationFlag)
			placeholder, text := guide.Unquote(doc.GetUsage())
			if text == "" || doc.TakesValue() != (placeholder != "") {
				t.Errorf("%s --%s has the placeholder %q and the text %q", c.Name, f.Names()[0], placeholder, text)
			}
		}
	}
}

func hasGroup(name string, all []string) bool {
	for _, g := range all {
		if g == name {
			return true
		}
	}
	return false
}

// TestManPages asks of every command's man page what man pages have, and the command's flags.
func TestManPages(t *testing.T) {
	app := newApp(newEnvironment(nil, os.Stdin, os.Stdout, os.Stderr))
	for _, c := range app.Commands {
		var b bytes.Buffer
		if err := manPage(app, c).Write(&b); err != nil {
			t.Error(err)
		}
		for _, title := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS",
			"ENVIRONMENT", "FILES", "SEE ALSO"} {
			if !strings.Contains(b.String(), "\n.SH \""+title+"\"\n") {
				t.Errorf("%s has no section %s", c.Name, title)
			}
		}
		for _, f := range c.Flags {
			head := `\fB\-\-` + strings.ReplaceAll(f.Names()[0], "-", `\-`) + `\fR`
			if v := f.(cli.VisibleFlag); v.IsVisible() && !strings.Contains(b.String(), head) {
				t.Errorf("%s lacks %s", c.Name, head)
			}
		}
	}
}

// TestChoices asks that completion offers the words that a flag's placeholder lists.
func TestChoices(t *testing.T) {
	app := newApp(newEnvironment(nil, os.Stdin, os.Stdout, os.Stderr))
	listed := 0
	for _, c := range tool(app) {
		for _, f := range c.Flags {
			if words, _ := guide.Unquote(f.Usage); strings.Contains(words, "|") {
				listed++
				if diff := cmp.Diff(strings.Split(words, "|"), guide.Choices(f.Names[0])); diff != "" {
					t.Errorf("%s --%s: %s", c.Names[0], f.Names[0], diff)
				}
			}
		}
	}
	if listed < 3 {
		t.Errorf("only %d flags list words", listed)
	}
}
