package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/guide"
	"drayage/internal/natural"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/workplace"
	"drayage/registry"
)

const lsHelp = `Lists the tags of a repository, one a line and sorted, with 1.9 before 1.10.
Of a registry it lists the repositories, if the registry offers that. A REGISTRY is host:port or a name with
dots; any other name needs a slash at its end.
Of a layout directory it shows each image with its platforms, the size of its
blobs, and what rm of it alone and then gc would free. -q prints names only.
Of a saved tar it lists the names of the images.

EXAMPLES:
   drayage ls alpine
   drayage ls registry.corp/team/app | grep '^1\.' | tail -1
   drayage ls registry.corp/team/app --unsorted --json
   drayage ls registry.corp:5000
   drayage ls --registry https://nexus.corp/repository/docker /
   drayage ls images
   drayage ls images -q
   drayage ls images.tar`

func lsCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "ls",
		Category:    commandsLook,
		Usage:       "list the tags of a repository, or the images of a layout",
		UsageText:   "drayage ls REPOSITORY|REGISTRY|LAYOUT|FILE",
		Description: lsHelp,
		Flags: append(append([]cli.Flag{
			&cli.BoolFlag{Name: "unsorted", Category: groupOutput, Usage: "in the order of the registry"},
			keyFlag(),
			tempDirFlag(),
		}, lookFlags()...), outputFlags()...),
		Action: env.look("REPOSITORY, REGISTRY or LAYOUT", (*looker).ls),
	}
}

func (l *looker) ls(ctx context.Context, arg string) error {
	if base := l.String("registry"); base != "" && arg == "/" {
		name, err := hostOf(base)
		if err != nil {
			return err
		}
		return l.listRepositories(ctx, name)
	}
	if name := source.RegistryOf(arg); name != "" && l.String("registry") == "" {
		if err := l.refuseRegistry(arg); err != nil {
			return err
		}
		return l.listRepositories(ctx, name)
	}
	src, err := l.parseSource(arg)
	if err != nil {
		return l.about(err)
	}
	if src.Kind != source.Registry {
		return l.listImages(ctx, arg)
	}
	if err := l.refuseRegistry(arg); err != nil {
		return err
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
	if errors.Is(err, registry.ErrNotFound) && len(tags) == 0 {
		err = &notThere{guide.NoRepository(src.Ref.Name(), src.Ref.Registry), err}
	}
	return l.listed(src.Ref.Name(), "tags", tags, err)
}

func (l *looker) listRepositories(ctx context.Context, name string) error {
	client, err := l.newClient(registry.Reference{Registry: name})
	if err != nil {
		return err
	}
	repositories, err := client.Repositories(ctx, name)
	return l.listed(name, "repositories", repositories, err)
}

// listed shows what a registry has said, and returns why that is not all.
func (l *looker) listed(of, kind string, names []string, err error) error {
	if err != nil && len(names) == 0 {
		return fmt.Errorf("ls %s: %w", of, err)
	}
	if !l.Bool("unsorted") {
		natural.Sort(names)
	}
	if len(names) == 0 {
		l.note("%s has no %s", of, kind)
	}
	doc := report.Document{Repository: of, Tags: append([]string{}, names...)}
	if kind == "repositories" {
		doc = report.Document{Registry: of, Repositories: doc.Tags}
	}
	if err != nil {
		err = &incomplete{fmt.Errorf("ls %s: the list broke off after %d %s: %w", of, len(names), kind, err)}
	}
	return errors.Join(l.result(doc, names), err)
}

// listImages shows the names in a layout or an archive, and the digest or ID of images without a name.
func (l *looker) listImages(ctx context.Context, arg string) error {
	if err := l.open(ctx, arg); err != nil {
		return fmt.Errorf("ls %s: %w", arg, err)
	}
	if l.set.Spec.Kind == source.Layout && l.set.Archive == nil && (!l.Bool("quiet") || l.Bool("json")) {
		return l.listLayout(ctx, arg)
	}
	names := []string{}
	for _, s := range l.set.Images {
		if len(s.Names) == 0 {
			names = append(names, s.Label)
		}
		names = append(names, s.Names...)
	}
	if !l.Bool("unsorted") {
		natural.Sort(names)
	}
	doc := report.Document{Source: arg, Images: []report.Image{}}
	for _, n := range names {
		doc.Images = append(doc.Images, report.Image{Name: n, OK: true})
	}
	return l.result(doc, names)
}

// listLayout shows the images of a layout directory in a table.
func (l *looker) listLayout(ctx context.Context, arg string) error {
	listed, err := workplace.List(ctx, l.set, !l.Bool("unsorted"), l.narrow())
	if err != nil {
		return fmt.Errorf("ls %s: %w", arg, err)
	}
	for i, err := range listed.Errs {
		if im := &listed.Document.Images[i]; err != nil {
			listed.Errs[i] = l.failed(fmt.Errorf("ls %s: %w", im.Name, err), len(listed.Errs))
			im.OK, im.Error = false, l.reported(ctx, listed.Errs[i])
		}
	}
	listed.Document.Source = arg
	return errors.Join(l.result(listed.Document, listed.Lines), outcome(listed.Errs))
}
