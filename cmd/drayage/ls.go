package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/natural"
	"drayage/internal/source"
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
		UsageText:   "drayage ls REPOSITORY|LAYOUT|FILE",
		Description: lsHelp,
		Flags: append(append([]cli.Flag{
			&cli.BoolFlag{Name: "unsorted", Usage: "in the order of the registry"},
			tempDirFlag(),
		}, registryFlags()...), outputFlags()...),
		Action: env.look("REPOSITORY", (*looker).ls),
	}
}

func (l *looker) ls(ctx context.Context, arg string) error {
	src, err := l.parseSource(arg)
	if err != nil {
		return fmt.Errorf("ls %w", err)
	}
	if src.Kind != source.Registry {
		return l.listImages(ctx, arg)
	}
	if src.Ref.Digest != "" || strings.HasSuffix(arg, ":"+src.Ref.Tag) {
		return usagef("ls lists the tags of a repository, and %q names one image in it: give %s",
			arg, src.Ref.Name())
	}
	client, err := l.newClient(src.Ref)
	if err != nil {
		return err
	}
	tags, err := client.Repository(src.Ref).Tags(ctx)
	if err != nil {
		return fmt.Errorf("ls %s: %w", src.Ref.Name(), err)
	}
	if !l.Bool("unsorted") {
		slices.SortFunc(tags, natural.Compare)
	}
	if len(tags) == 0 {
		l.note("%s has no tags", src.Ref.Name())
	}
	return l.printResult(struct {
		Repository string   `json:"repository"`
		Tags       []string `json:"tags"`
	}{src.Ref.Name(), append([]string{}, tags...)}, tags)
}

// listImages shows the names in a layout or an archive, and the digest or ID of images without a name.
func (l *looker) listImages(ctx context.Context, arg string) error {
	if err := l.open(ctx, arg); err != nil {
		return fmt.Errorf("ls %s: %w", arg, err)
	}
	images := []string{}
	for _, s := range l.set.Images {
		if len(s.Names) == 0 {
			images = append(images, s.Label)
		}
		images = append(images, s.Names...)
	}
	if !l.Bool("unsorted") {
		slices.SortFunc(images, natural.Compare)
	}
	return l.printResult(struct {
		Source string   `json:"source"`
		Images []string `json:"images"`
	}{arg, images}, images)
}
