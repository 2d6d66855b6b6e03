package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"drayage/internal/workplace"
	"drayage/layout"
)

const gcHelp = `Removes from a layout what no image in it leads to: blobs of images that were
taken out or replaced, and unfinished downloads. It may run beside fetches,
and leaves what they need. Other programs that write into the layout at that
moment are not seen: --min-age keeps what is newer.

EXAMPLES:
   drayage gc images --dry-run
   drayage gc images --min-age 24h`

func gcCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "gc",
		Category:    commandsLayout,
		Usage:       "free the room of what no image in a layout needs",
		UsageText:   "drayage gc DIR",
		Description: gcHelp,
		Flags: append([]cli.Flag{dryRunFlag(), logFormatFlag(),
			&cli.DurationFlag{Name: "min-age", Category: groupWhat, DefaultText: "0s",
				Usage: "keep what was written within this `TIME`, such as 24h"}}, outputFlags()...),
		Action: env.inLayout(1, 1, call.gc),
	}
}

func (c call) gc(ctx context.Context, dir string, names []string) (*workplace.Result, error) {
	return workplace.Collect(ctx, dir, names[0], layout.CollectOptions{
		DryRun: c.Bool("dry-run"), MinAge: c.Duration("min-age"), Alone: c.IsSet("min-age"),
	})
}
