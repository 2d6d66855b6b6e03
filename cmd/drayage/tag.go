package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"drayage/internal/source"
	"drayage/internal/workplace"
)

const tagHelp = `Gives an image of a layout another name. It keeps the one that it has. A name
without a tag gets the tag latest, as with docker tag.

EXAMPLES:
   drayage tag oci:images:app:1.2.3 app:1.2`

func tagCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "tag",
		Category:    commandsLayout,
		Usage:       "give an image of a layout another name",
		UsageText:   "drayage tag oci:DIR:NAME NEWNAME",
		Description: tagHelp,
		Flags:       append([]cli.Flag{logFormatFlag()}, outputFlags()...),
		Action: env.inLayout(2, 2, func(c call, ctx context.Context, dir string, names []string) (
			*workplace.Result, error) {
			if err := source.RefuseHost(c.Args().Get(1)); err != nil {
				return nil, err
			}
			return workplace.AddName(ctx, dir, names[0], c.Args().Get(1))
		}),
	}
}
