package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

const lsHelp = `Lists the tags of a repository, one a line and sorted, with 1.9 before 1.10.
Of a layout or a saved tar it lists the names of the images.

EXAMPLES:
   drayage ls alpine
   drayage ls registry.corp/team/app | grep '^1\.' | tail -1
   drayage ls registry.corp/team/app --unsorted --json
   drayage ls images.tar`

func lsCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "ls",
		Usage:       "list the tags of a repository",
		UsageText:   "drayage ls REPOSITORY",
		Description: lsHelp,
		Flags: append(append([]cli.Flag{
			&cli.BoolFlag{Name: "unsorted", Usage: "in the order of the registry"},
		}, registryFlags()...), outputFlags()...),
		Action: func(c *cli.Context) error { return env.ls(c.Context, c) },
	}
}

func (e *environment) ls(ctx context.Context, c *cli.Context) error {
	l := e.newLooker(c)
	defer l.close()
	arg, err := l.argument("REPOSITORY")
	if err != nil {
		return err
	}
	src, err := parseSource(l.c, arg)
	if err != nil {
		return fmt.Errorf("ls %w", err)
	}
	if src.kind != fromRegistry {
		return l.listImages(ctx, arg)
	}
	if src.ref.Digest != "" || strings.HasSuffix(arg, ":"+src.ref.Tag) {
		return usagef("ls lists the tags of a repository, and %q names one image in it: give %s", arg, src.ref.Name())
	}
	client, err := l.newClient(src.ref)
	if err != nil {
		return err
	}
	tags, err := client.Repository(src.ref).Tags(ctx)
	if err != nil {
		return fmt.Errorf("ls %s: %w", src.ref.Name(), err)
	}
	if !c.Bool("unsorted") {
		slices.SortFunc(tags, compareNatural)
	}
	if len(tags) == 0 {
		e.note(c, "%s has no tags", src.ref.Name())
	}
	if c.Bool("json") {
		return e.printJSON(struct {
			Repository string   `json:"repository"`
			Tags       []string `json:"tags"`
		}{src.ref.Name(), append([]string{}, tags...)})
	}
	return e.printLines(tags)
}

// listImages shows the names in a layout or a saved tar; images without one are shown by their digest or ID.
func (l *looker) listImages(ctx context.Context, arg string) error {
	all, err := l.open(ctx, arg)
	if err != nil {
		return fmt.Errorf("ls %s: %w", arg, err)
	}
	images := []string{}
	for _, s := range all {
		if len(s.names) == 0 {
			images = append(images, s.label)
		}
		images = append(images, s.names...)
	}
	if !l.c.Bool("unsorted") {
		slices.SortFunc(images, compareNatural)
	}
	if l.c.Bool("json") {
		return l.env.printJSON(struct {
			Source string   `json:"source"`
			Images []string `json:"images"`
		}{arg, images})
	}
	for i := range images {
		images[i] = safe(images[i], maxText)
	}
	return l.env.printLines(images)
}

func (e *environment) printLines(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(e.stdout, strings.Join(lines, "\n"))
	return err
}
