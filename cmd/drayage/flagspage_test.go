package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"drayage/internal/guide"
)

// many is how many commands have a flag that stands in the first table of docs/flags.md.
const many = 5

// TestHelpFlagsPage keeps docs/flags.md, which lists the flags of all commands. After a change of a flag:
// go test ./cmd/drayage -run TestHelpFlagsPage -update
func TestHelpFlagsPage(t *testing.T) {
	app := newApp(newEnvironment(nil, os.Stdin, os.Stdout, os.Stderr))
	var entries []guide.Entry // each different one
	in := map[guide.Entry][]string{}
	for _, c := range app.VisibleCommands() {
		for _, e := range flagsOnPage(commandPage(c)) {
			if in[e] == nil {
				entries = append(entries, e)
			}
			in[e] = append(in[e], c.Name)
		}
	}
	var b strings.Builder
	b.WriteString("# Flags\n\n" +
		"All flags of all commands, as `drayage COMMAND --help` shows them. A test writes this page.\n" +
		"[configuration.md](configuration.md) tells how to set a flag once for all commands, and\n" +
		"[commands.md](commands.md) what the commands do.\n\n## In many commands\n\n" +
		"| flag | does | in |\n|---|---|---|\n")
	for _, e := range entries {
		if len(in[e]) >= many {
			commands := everyOr(in[e], len(app.VisibleCommands()))
			fmt.Fprintf(&b, "| %s | %s | %s |\n", code(e.Head), cell(e.Text), commands)
		}
	}
	for _, c := range app.VisibleCommands() {
		own := flagsOnPage(commandPage(c))
		own = slices.DeleteFunc(own, func(e guide.Entry) bool { return len(in[e]) >= many })
		fmt.Fprintf(&b, "\n## %s\n\n", c.Name)
		for line := range strings.Lines(c.UsageText) {
			fmt.Fprintf(&b, "- `%s`\n", strings.TrimSpace(line))
		}
		if len(own) > 0 {
			b.WriteString("\n| flag | does |\n|---|---|\n")
		}
		for _, e := range own {
			fmt.Fprintf(&b, "| %s | %s |\n", code(e.Head), cell(e.Text))
		}
	}
	golden(t, "../../docs/flags.md", b.String())
}

func flagsOnPage(p guide.Page) (all []guide.Entry) {
	for _, s := range p.Sections {
		all = append(all, s.Entries...)
	}
	return all
}

func code(head string) string { return "`" + cell(strings.TrimSpace(head)) + "`" }

func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

func everyOr(names []string, all int) string {
	if len(names) == all {
		return "all"
	}
	return strings.Join(names, ", ")
}
