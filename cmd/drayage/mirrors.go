package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/internal/guide"
	"drayage/internal/mirrorconf"
	"drayage/internal/report"
	"drayage/internal/secrets"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/registry"
	"drayage/upload"
)

const mirrorsHelp = `Writes the files with which container engines pull images by their old names from
another registry: docker.io/library/alpine comes from DEST then, and nobody has to
change a Deployment or a compose.yaml. There is a rule for every registry that occurs
in the names of SOURCE: a layout, a saved tar, image names, or a registry itself,
such as quay.io. Only names are read, and no registry is asked.

DEST is the registry or the prefix that push and copy were given. Give the same
--keep-host, --strip-prefix, --flatten or --map: the engines then pull from where
the images are. For drayage serve DEST is its address, with --keep-host.

Without -o the files are printed. With it they go into a folder for each engine, and
what to do with them is told. Engines never ask the old registries then, unless
--fallback is given or the engine cannot be kept from it, which is told too.

EXAMPLES:
   drayage mirrors images harbor.corp/mirror/ --for containerd -o out
   drayage mirrors images.tar http://10.0.0.5:5000 --for k3s,podman -o out
   drayage mirrors --from list.txt harbor.corp/ --keep-host --for all -o out
   drayage mirrors docker.io quay.io harbor.corp/ --for podman`

func mirrorsCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "mirrors",
		Category:    commandsMove,
		Usage:       "write the files that let engines pull by the old names",
		UsageText:   "drayage mirrors SOURCE... DEST --for ENGINE",
		Description: mirrorsHelp,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringSliceFlag{Name: "for", Category: groupWhat,
				Usage: "write the files of `ENGINE`: " + strings.Join(mirrorconf.Engines, ", ") + ", or all"},
			fromFlag(),
			keyFlag(),
			volumesFlag(),
			tempDirFlag(),
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: groupWhere,
				Usage: "write the files into the folder `DIR`, instead of printing them"},
			&cli.BoolFlag{Name: "fallback", Category: groupWhere,
				Usage: "engines ask the old registry for what DEST does not have"},
		}, renameFlags(), slices.DeleteFunc(connectionFlags(), func(f cli.Flag) bool {
			return f.Names()[0] == "verbose"
		}), outputFlags()),
		Action: env.run(call.mirrors),
	}
}

func (c call) mirrors(ctx context.Context) error {
	args := c.Args().Slice()
	if len(args) == 0 || len(args) == 1 && len(c.lists()) == 0 {
		return usagef("mirrors needs a SOURCE and a DEST: %s given", terminal.Count(len(args), "argument"))
	}
	engines, err := c.engines()
	if err != nil {
		return err
	}
	to := args[len(args)-1]
	dest, err := c.mirrorAt(to)
	if err != nil {
		return err
	}
	mirror, err := c.mirror(to, dest.Registry())
	if err != nil {
		return err
	}
	images := mirrorconf.Gathering{Place: dest.Place}
	if err := c.mirrored(ctx, args[:len(args)-1], &images); err != nil {
		return err
	}
	plan := mirrorconf.New(mirror, images.Images)
	if err := c.checkMirrors(plan); err != nil {
		return err
	}
	return c.writeMirrors(plan, engines, dest)
}

// engines reads --for.
func (c call) engines() ([]string, error) {
	given := c.StringSlice("for")
	if len(given) == 0 {
		return nil, usagef("mirrors needs --for ENGINE: %s, or all", strings.Join(mirrorconf.Engines, ", "))
	}
	for _, e := range given {
		if like := mirrorconf.Like(e); like != "" {
			return nil, usagef("there is no --for %s: --for %s has the files for it", e, like)
		}
		if err := guide.Choice("for", e); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(slices.Clone(mirrorconf.Engines), func(e string) bool {
		return !slices.Contains(given, e) && !slices.Contains(given, "all")
	}), nil
}

// mirrorAt reads DEST, which is always a prefix: people leave out the slash at its end.
func (c call) mirrorAt(text string) (dest upload.Destination, err error) {
	prefix := strings.TrimRight(strings.TrimSpace(text), "/")
	_, path, _ := strings.Cut(strings.TrimRight(registry.TrimScheme(prefix), "/"), "/")
	switch {
	case source.Bring(nil, text) != "":
		return dest, usagef("mirrors needs a registry as DEST, and %q is none", text)
	case strings.ContainsAny(path, ":@"):
		return dest, usagef("DEST %q is the name of one image: give the registry, or a prefix of names",
			secrets.Redact(text))
	}
	return c.destination(prefix + "/")
}

// mirror says how engines reach DEST.
func (c call) mirror(text, host string) (m mirrorconf.Mirror, err error) {
	m.PlainHTTP, m.SkipVerify, m.Fallback = c.Bool("plain-http"), c.Bool("insecure"), c.Bool("fallback")
	if path := c.String("ca-file"); path != "" {
		raw, err := os.ReadFile(path)
		if err != nil {
			return m, fmt.Errorf("--ca-file: %w", err)
		}
		if err := m.Trust(raw); err != nil {
			return m, usagef("--ca-file %s %v", path, err)
		}
	}
	if m.At(text, host); mirrorconf.IsLoopback(m.Host) {
		c.note("note: %s is the engine's own machine: for other machines give a name or an address that they reach",
			m.Host)
	}
	return m, nil
}

// mirrored reads the names in SOURCE and in lists.
func (c call) mirrored(ctx context.Context, args []string, images *mirrorconf.Gathering) error {
	for _, arg := range args {
		if err := c.mirroredArgument(ctx, arg, images); err != nil {
			return c.about(err)
		}
	}
	names := source.Names{Parse: func(name string) (registry.Reference, error) {
		spec, err := c.parseSource(name)
		if err == nil && spec.Kind != source.Registry {
			err = usagef("%q is no name of an image", name)
		}
		return spec.Ref, err
	}}
	if err := c.gather(&names, nil); err != nil {
		return err
	}
	for _, ref := range names.Refs {
		if err := images.Add(ref, ""); err != nil {
			return err
		}
	}
	return nil
}

func (c call) mirroredArgument(ctx context.Context, arg string, images *mirrorconf.Gathering) error {
	if host := source.RegistryOf(arg); host != "" {
		for _, flag := range c.renaming() {
			if flag != "--keep-host" {
				return usagef("%s is a registry, and %s is about single images: give their names", host, flag)
			}
		}
		return images.AddRegistry(host)
	}
	spec, err := c.parseSource(arg)
	if err != nil {
		return err
	}
	if spec.Kind == source.Registry {
		return images.Add(spec.Ref, "")
	}
	return c.mirroredSet(ctx, spec, images)
}

func (c call) mirroredSet(ctx context.Context, spec source.Spec, images *mirrorconf.Gathering) error {
	opts := c.sourceOptions()
	opts.Look, opts.Names = true, true
	set, err := spec.Open(ctx, opts)
	if err == nil {
		defer set.Close()
		err = images.AddSet(set)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", spec.Text, err)
	}
	return nil
}

// checkMirrors says what is wrong with a plan, or odd.
func (c call) checkMirrors(plan *mirrorconf.Plan) error {
	if plan.Own {
		c.note("note: images of %s are there under their own names: they need no rule", plan.Mirror.Host)
	}
	if len(plan.Hosts) == 0 {
		return usagef("SOURCE names no registry but %s, which is DEST", plan.Mirror.Host)
	}
	clash, found := plan.Clash()
	switch how := "--keep-host keeps their registries apart, here and with push"; {
	case found && clash.Sure:
		return usagef("%s and %s would both be %s: %s", clash.First, clash.Second, clash.Place, how)
	case found:
		c.note("note: %s and %s both become %s: if they are different images, %s",
			clash.First, clash.Second, clash.Place, how)
	}
	return nil
}

// writeMirrors makes the files of engines, and puts them into the folder or prints them.
func (c call) writeMirrors(plan *mirrorconf.Plan, engines []string, dest upload.Destination) error {
	out := c.String("output")
	var parts []mirrorconf.Part
	for _, e := range engines {
		parts = append(parts, plan.Part(e, strings.TrimSuffix(terminal.ShellWord(out), "/")))
	}
	if out != "" {
		if err := mirrorconf.Write(out, parts); err != nil {
			return err
		}
	}
	for _, p := range parts {
		for _, line := range p.Told(out) {
			c.note("%s", line)
		}
	}
	doc, lines := plan.Result(out, parts)
	return c.result(report.Document{Destination: dest.String(), Output: out, Mirrors: doc}, lines)
}
