package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"drayage/internal/terminal"
	"drayage/internal/workplace"
)

const rmHelp = `Takes images out of a layout, by name, by digest, or by a pattern in which *
stands for any text. The signatures and SBOMs that belong to nothing else go
along. It prints what it takes out. drayage gc DIR then frees the room on the
disk.

EXAMPLES:
   drayage rm oci:images:alpine:3.19
   drayage rm 'oci:images:*/app:1.2*' --dry-run
   drayage rm oci:images:sha256:0a4eaa0eecf5...`

func rmCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "rm",
		Category:    commandsLayout,
		Usage:       "take images out of a layout",
		UsageText:   "drayage rm oci:DIR:NAME...",
		Description: rmHelp,
		Flags:       append([]cli.Flag{dryRunFlag(), logFormatFlag()}, outputFlags()...),
		Action: env.inLayout(1, 0, func(c call, ctx context.Context, dir string, names []string) (
			*workplace.Result, error) {
			return workplace.Remove(ctx, dir, names, c.Bool("dry-run"))
		}),
	}
}

func dryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Category: groupWhat,
		Usage: "change nothing, and say what would be done"}
}

// moveDryRunFlag is for commands that move images.
func moveDryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Category: groupWhat,
		Usage: "move nothing, and say how much would move"}
}

// inLayout is the action of a command with so many arguments, or with any number of more if most is 0. All
// but the last least-1 are a layout or images in it.
func (e *environment) inLayout(least, most int, do func(call, context.Context, string, []string) (
	*workplace.Result, error)) cli.ActionFunc {
	return e.run(func(c call, ctx context.Context) error {
		n := c.NArg()
		if n < least || most > 0 && n > most {
			return usagef("the form is %s: %s given", c.Command.UsageText, terminal.Count(n, "argument"))
		}
		dir, names, err := workplace.Parse(c.Args().Slice()[:n-least+1], c.parseSource)
		if err != nil {
			return c.about(err)
		}
		r, err := do(c, ctx, dir, names)
		if r == nil {
			return fmt.Errorf("%s: %w", c.Command.Name, err)
		}
		err = errors.Join(err, c.result(r.Document, r.Lines))
		for _, n := range r.Notes {
			c.note("%s", n)
		}
		return err
	})
}
