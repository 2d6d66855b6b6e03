package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"drayage/internal/workplace"
)

const rmHelp = `Takes images out of a layout, by name, by digest, or by a pattern in which *
stands for any text. The signatures and SBOMs that belong to nothing else go
along. It prints what it takes out. The room on the disk is free after
drayage gc DIR.

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
		Flags:       append([]cli.Flag{dryRunFlag()}, outputFlags()...),
		Action: env.inLayout(1, maxArguments, func(c call, ctx context.Context, dir string, names []string) (
			*workplace.Result, error) {
			return workplace.Remove(ctx, dir, names, c.Bool("dry-run"))
		}),
	}
}

func dryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Category: groupWhat,
		Usage: "change nothing, and say what would be done"}
}

const maxArguments = 1 << 20

// inLayout is the action of a command with at least so many arguments. The first ones, most of them at most,
// are a layout or images in it.
func (e *environment) inLayout(least, most int, do func(call, context.Context, string, []string) (
	*workplace.Result, error)) cli.ActionFunc {
	return e.run(func(c call, ctx context.Context) error {
		if c.NArg() < least {
			return usagef("%s needs more: %s", c.Command.Name, c.Command.UsageText)
		}
		dir, names, err := workplace.Parse(c.Args().Slice()[:min(most, c.NArg())], c.parseSource)
		if err != nil {
			return err
		}
		r, err := do(c, ctx, dir, names)
		if err != nil {
			err = fmt.Errorf("%s: %w", c.Command.Name, err)
		}
		if r == nil {
			return err
		}
		for _, n := range r.Notes {
			c.note("%s", n)
		}
		if shown := c.result(r.Document, r.Lines); err == nil {
			err = shown
		}
		return err
	})
}
