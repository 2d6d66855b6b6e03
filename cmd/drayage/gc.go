package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"drayage/internal/report"
	"drayage/internal/terminal"
	"drayage/layout"
)

const gcHelp = `Removes from a layout what no image in it leads to: blobs of images that were
taken out or replaced, and unfinished downloads. It may run beside fetches,
and leaves what they need. Other programs that write into the layout at that
moment are not seen: --min-age keeps what is newer.

EXAMPLES:
   drayage gc images --dry-run
   drayage gc images
   drayage gc images --min-age 24h`

func gcCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "gc",
		Category:    commandsLayout,
		Usage:       "free the room of what no image in a layout needs",
		UsageText:   "drayage gc DIR",
		Description: gcHelp,
		Flags: append([]cli.Flag{dryRunFlag(),
			&cli.DurationFlag{Name: "min-age", Category: groupWhat, DefaultText: "0s",
				Usage: "keep what was written within this `TIME`, such as 24h"}}, outputFlags()...),
		Action: env.run(call.gc),
	}
}

func (c call) gc(ctx context.Context) error {
	if c.NArg() != 1 {
		return usagef("gc needs one layout: %s", c.Command.UsageText)
	}
	spec, err := c.layoutSpec(c.Args().First())
	if err == nil && spec.Name != "" {
		err = usagef("gc is for a whole layout: drayage gc %s, after drayage rm %s", spec.Path, spec.Text)
	}
	if err == nil && c.Duration("min-age") < 0 {
		err = usagef("--min-age is a time such as 24h")
	}
	if err != nil {
		return err
	}
	d, err := layout.OpenDir(spec.Path)
	if err != nil {
		return err
	}
	defer d.Close()
	did, err := d.Collect(ctx, layout.CollectOptions{DryRun: c.Bool("dry-run"),
		MinAge: c.Duration("min-age"), Alone: c.IsSet("min-age")})
	switch {
	case errors.Is(err, layout.ErrNoLocks):
		err = fmt.Errorf("gc %w: make sure that nothing writes to it, and give --min-age 0s", err)
	case errors.Is(err, layout.ErrIntegrity):
		err = fmt.Errorf("gc %s: %w: drayage verify --repair %s removes it, fetching the image again heals it",
			spec.Path, err, spec.Path)
	case err != nil:
		err = fmt.Errorf("gc: %w", err)
	}
	return errors.Join(err, c.collected(spec.Path, did, err == nil))
}

// collected says what gc has removed.
func (c call) collected(dir string, did *layout.Collected, done bool) error {
	if !done && did.Blobs+did.Partial == 0 {
		return nil
	}
	freed := did.Bytes + did.PartialBytes
	what := "freed"
	if c.Bool("dry-run") {
		what = "would be freed"
	}
	line := fmt.Sprintf("%s: %s %s, %s", dir, terminal.Size(freed), what, terminal.Count(did.Blobs, "blob"))
	if did.Partial > 0 {
		line += " and " + terminal.Count(did.Partial, "unfinished download")
	}
	if did.Needed > 0 {
		c.note("note: %s (%s) that no image needs stay: a fetch is running that needs them",
			terminal.Count(did.Needed, "blob"), terminal.Size(did.NeededBytes))
	}
	if did.Young > 0 {
		c.note("note: %s (%s) that no image needs stay: they are younger than %s",
			terminal.Count(did.Young, "blob"), terminal.Size(did.YoungBytes), c.Duration("min-age"))
	}
	return c.result(report.Document{Output: dir, DryRun: c.Bool("dry-run"),
		Freed: &report.Blobs{BlobCount: did.Blobs + did.Partial, SizeBytes: freed},
		InUse: &report.Blobs{BlobCount: did.Needed, SizeBytes: did.NeededBytes}}, []string{line})
}
