package main

import (
	"cmp"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"drayage/internal/guide"
	"drayage/internal/settings"
)

// interpret makes of what was typed what the flag parser takes. Notes say what words of other tools were
// taken for.
func (e *environment) interpret(app *cli.App, args []string) ([]string, error) {
	if len(args) < 2 {
		return args, nil
	}
	line, err := tool(app).Interpret(args[1:])
	e.command = line.Command
	if err != nil || line.Command == "" {
		return args, err
	}
	for _, n := range line.Notes {
		e.tell.Note("note: %s", n)
	}
	return slices.Concat(args[:1], []string{line.Command}, line.Flags, []string{"--"}, line.Arguments), nil
}

// tool is the command line as the guide knows it.
func tool(app *cli.App) (t guide.Tool) {
	for _, c := range app.VisibleCommands() {
		command := guide.Command{Names: c.Names(), Summary: c.Usage, Usage: c.UsageText}
		for _, f := range c.Flags {
			command.Flags = append(command.Flags, guideFlag(f))
		}
		t = append(t, command)
	}
	return t
}

// typed notes what was typed before anything is known to be right, for the document of a wrong command line.
func (e *environment) typed(app *cli.App, args []string) {
	flags := args[:cmp.Or(slices.Index(args, "--")+1, len(args)+1)-1]
	e.json = slices.Contains(flags, "--json")
	if len(args) > 1 && app.Command(args[1]) != nil {
		command := app.Command(args[1])
		e.command = command.Name
		e.json = e.json || hasJSON(command) && settings.On("json", os.Getenv)
	}
}

func hasJSON(c *cli.Command) bool {
	return slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return f.Names()[0] == "json" })
}
