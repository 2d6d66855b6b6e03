package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/guide"
)

// The groups of flags on a help page, by cli's Category. Each flag is in one.
const (
	groupWhat   = "what"
	groupWhere  = "where"
	groupFast   = "how fast"
	groupAccess = "access"
	groupOutput = "output"
	groupHelp   = "help"
)

// groups is their order.
var groups = []string{groupWhat, groupWhere, groupFast, groupAccess, groupOutput, groupHelp}

// The groups of commands, by cli's Category.
const (
	commandsMove   = "move images"
	commandsLook   = "look at images"
	commandsLayout = "work in a layout"
	commandsAccess = "registries"
	commandsHelp   = "help"
)

var commandGroups = []string{commandsMove, commandsLook, commandsLayout, commandsAccess, commandsHelp}

// printHelp is cli's HelpPrinter.
func printHelp(w io.Writer, _ string, data any) {
	switch page := data.(type) {
	case *cli.App:
		_ = appPage(page).Write(w)
	case *cli.Command:
		_ = commandPage(page).Write(w)
	default:
		cli.HelpPrinterCustom(w, cli.CommandHelpTemplate, data, nil)
	}
}

func commandPage(c *cli.Command) guide.Page {
	return guide.Page{
		Name: "drayage " + c.Name, Summary: c.Usage, Usage: c.UsageText, Text: c.Description,
		Sections: flagSections(c.Flags),
	}
}

func appPage(app *cli.App) guide.Page {
	p := guide.Page{
		Name: app.Name, Summary: app.Usage, Usage: app.UsageText, Text: app.Description, Footer: exitCodesHelp,
	}
	in := map[string][]guide.Entry{}
	for _, c := range app.VisibleCommands() {
		in[c.Category] = append(in[c.Category], guide.Entry{Head: strings.Join(c.Names(), ", "), Text: c.Usage})
	}
	p.Sections = append(sections(in, commandGroups), flagSections(app.Flags)...)
	return p
}

// sections brings groups into their order. Groups that the order does not have come last.
func sections(in map[string][]guide.Entry, order []string) (all []guide.Section) {
	for _, title := range order {
		if len(in[title]) > 0 {
			all = append(all, guide.Section{Title: title, Entries: in[title]})
		}
		delete(in, title)
	}
	for title, entries := range in {
		all = append(all, guide.Section{Title: "other " + title, Entries: entries})
	}
	return all
}

func flagSections(flags []cli.Flag) []guide.Section {
	in := map[string][]guide.Entry{}
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() {
			continue
		}
		group := groupHelp // cli's own --help
		if c, ok := f.(cli.CategorizableFlag); ok && c.GetCategory() != "" {
			group = c.GetCategory()
		}
		in[group] = append(in[group], flagEntry(f))
	}
	return sections(in, groups)
}

// flagEntry writes a flag with its short name first, its placeholder, what it does and its default.
func flagEntry(f cli.Flag) guide.Entry {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return guide.Entry{Head: f.Names()[0]}
	}
	head, long := "    ", ""
	for _, name := range slices.Backward(f.Names()) {
		if len(name) == 1 {
			head = "-" + name + ", "
		} else {
			long = "--" + name
		}
	}
	placeholder, text := unquote(doc.GetUsage())
	if head += long; doc.TakesValue() {
		head += " " + placeholder
	}
	if s, ok := f.(cli.DocGenerationSliceFlag); ok && s.IsSliceFlag() {
		text += "; may be repeated"
	}
	if d := defaultOf(doc); d != "" {
		text += fmt.Sprintf(" (default: %s)", d)
	}
	return guide.Entry{Head: head, Text: text}
}

// unquote returns the placeholder that stands in backquotes in a usage, and the usage without them. A
// placeholder with a colon at the beginning is no part of the text.
func unquote(usage string) (placeholder, text string) {
	before, rest, _ := strings.Cut(usage, "`")
	name, after, closed := strings.Cut(rest, "`")
	switch {
	case !closed:
		return "", usage
	case before == "" && strings.HasPrefix(after, ": "):
		return name, after[2:]
	}
	return name, before + name + after
}

func defaultOf(f cli.DocGenerationFlag) string {
	switch flag := f.(type) {
	case *cli.StringFlag:
		if flag.DefaultText != "" {
			return flag.DefaultText
		}
		return flag.Value
	case *cli.IntFlag:
		return flag.DefaultText
	}
	return ""
}
