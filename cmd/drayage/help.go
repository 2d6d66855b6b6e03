package main

import (
	"io"
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
	commandsHelp   = "drayage itself"
)

var commandGroups = []string{commandsMove, commandsLook, commandsLayout, commandsAccess, commandsHelp}

// printHelp is cli's HelpPrinter. It keeps the error of a page that cannot be written.
func (e *environment) printHelp(w io.Writer, _ string, data any) {
	switch page := data.(type) {
	case *cli.App:
		e.unwritten = appPage(page).Write(w)
	case *cli.Command:
		e.unwritten = commandPage(page).Write(w)
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
	p.Commands, p.Sections = guide.Sections(in, commandGroups), flagSections(app.Flags)
	return p
}

func flagSections(flags []cli.Flag) []guide.Section {
	in := map[string][]guide.Entry{}
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() || f == cli.HelpFlag {
			continue
		}
		group := groupHelp // cli's own --version
		if c, ok := f.(cli.CategorizableFlag); ok && c.GetCategory() != "" {
			group = c.GetCategory()
		}
		in[group] = append(in[group], flagEntry(f))
	}
	in[groupHelp] = append(in[groupHelp], flagEntry(cli.HelpFlag))
	return guide.Sections(in, groups)
}

func flagEntry(f cli.Flag) guide.Entry {
	return guide.FlagEntry(guideFlag(f), defaultOf(f.(cli.DocGenerationFlag)))
}

// guideFlag is a flag as the guide knows it.
func guideFlag(f cli.Flag) guide.Flag {
	doc := f.(cli.DocGenerationFlag)
	repeats, _ := f.(cli.DocGenerationSliceFlag)
	return guide.Flag{
		Names: f.Names(), Value: doc.TakesValue(), Repeats: repeats != nil && repeats.IsSliceFlag(),
		Usage: doc.GetUsage(),
	}
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
