package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/image"
	"drayage/internal/kind"
	"drayage/internal/record"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/usage"
	"drayage/registry"
)

// usagef returns an error about a command line that makes no sense.
func usagef(format string, args ...any) error { return usage.Errorf(format, args...) }

// parseSource reads a SOURCE argument.
func (c call) parseSource(text string) (source.Spec, error) {
	spec, err := source.Parse(text, func(name string) (registry.Reference, error) {
		return reference(c.Context, name)
	})
	if spec.Kind == source.Registry && c.String("registry") == "" && !source.IsAbsent(err) {
		err = cmp.Or(source.RefuseHost(text), err)
	}
	return spec, err
}

// sourceOptions say how a SOURCE is opened to be read at any place.
func (c call) sourceOptions() source.Options {
	return source.Options{
		Stdin: c.stdin, TempDir: c.tempDir(),
		Note: func(text string) { c.note("%s", text) },
		Why:  c.Command.Name + " goes back and forth in it", Trust: c.trust(),
		Volumes: c.StringSlice("volumes"),
	}
}

// noteRemarks says what users should know of the images of a SOURCE.
func (c call) noteRemarks(set *source.Set) {
	if set.Unchecked != "" {
		c.note("note: %s is there, and nobody has checked it: --key PUB does", set.Unchecked)
	}
	for _, r := range set.Remarks {
		about := set.Spec.Text
		if r.Image != nil {
			about = r.Image.Label
		}
		c.note("note: %s: %s", terminal.Quote(about), r.Text)
	}
}

func tempDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "temp-dir", Category: groupWhere,
		Usage: "put temporary files into `DIR`", DefaultText: "beside the output, or TMPDIR"}
}

// tempDir is where temporary files go: where the user wants them, else where the output needs the space
// anyway.
func (c call) tempDir() string {
	if dir := c.String("temp-dir"); dir != "" {
		return dir
	}
	out := c.String("output")
	if target, err := source.ParseOutput(out); err == nil {
		out = target.Path
	}
	if c.Command.Name != "save" || out == "" || out == "-" {
		return os.TempDir()
	}
	if fi, err := os.Stat(out); err == nil && !fi.Mode().IsRegular() {
		return os.TempDir()
	}
	return filepath.Dir(out)
}

// looker runs a command that shows something and changes nothing.
type looker struct {
	call
	set    *source.Set // nil until it has been opened
	client *registry.Client
	noted  bool   // the user knows the default platform
	closes func() // of bases; or nil
}

// lookFunc shows what an argument means.
type lookFunc = func(l *looker, ctx context.Context, arg string) error

// look is the action of a command with a single argument, which it calls what.
func (e *environment) look(what string, show lookFunc) cli.ActionFunc {
	return e.run(func(c call, ctx context.Context) error {
		if c.NArg() != 1 {
			return usagef("%s needs one %s: %s given", c.Command.Name, what, terminal.Count(c.NArg(), "argument"))
		}
		l := &looker{call: c}
		defer l.close()
		return l.explain(ctx, show(l, ctx, c.Args().First()))
	})
}

func (l *looker) close() {
	if l.closes != nil {
		l.closes()
	}
	if l.set != nil {
		l.set.Close()
	}
	if l.client != nil {
		l.client.Close()
	}
}

// open finds the images that a SOURCE argument means. Nothing is asked of a registry yet.
func (l *looker) open(ctx context.Context, arg string) error {
	spec, err := l.parseSource(arg)
	if err != nil {
		return err
	}
	if spec.Kind == source.Stdin && l.Bool("password-stdin") {
		return errOneStdin()
	}
	opts := l.sourceOptions()
	if l.String("record") != "" {
		if err := record.Check(spec, l.StringSlice("platform")); err != nil {
			return err
		}
		opts = record.Options(opts)
	}
	opts.Client, opts.Look, opts.Names = l.newClient, true, l.Command.Name == "ls"
	opts.Partial = l.Command.Name == "inspect"
	if l.set, err = spec.Open(ctx, opts); err != nil {
		return err
	}
	l.noteRemarks(l.set)
	if err := l.set.Fault(); err != nil {
		l.note("note: %v", err) // what there is can be looked at
	}
	chosen, _, err := l.platforms()
	if err != nil {
		return err
	}
	return l.set.CheckPlatforms(chosen, "shown")
}

func errOneStdin() error {
	return usagef("the tar and the password cannot both come from standard input")
}

// one opens a SOURCE that has to be a single image, and reads --platform.
func (l *looker) one(ctx context.Context, arg string) (want []v1.Platform, im *source.Image, err error) {
	if want, err = l.onePlatform(); err != nil {
		return nil, nil, err
	}
	if err := l.open(ctx, arg); err != nil {
		return nil, nil, err
	}
	switch all := l.set.Images; len(all) {
	case 0:
		return nil, nil, kind.Errorf(registry.ErrNotFound, "there is no image, only referrers")
	case 1:
		return want, all[0], nil
	default:
		return nil, nil, usagef("there are %d images, choose one by its name: %s", len(all), source.Labels(all))
	}
}

func (l *looker) newClient(ref registry.Reference) (*registry.Client, error) {
	client, err := l.call.newClient([]string{ref.Registry}, false)
	l.client = client
	return client, err
}

// pick chooses the manifest for one platform. Without a given one it takes that of this machine, and says so.
func (l *looker) pick(
	ctx context.Context, im *source.Image, want []v1.Platform,
) (leaf image.Leaf, o *image.Outline, err error) {
	if o, err = im.Outline(ctx); err != nil {
		return leaf, nil, err
	}
	if o.IsIndex() && len(want) == 0 && !l.noted {
		l.noted = true
		l.noteDefaultPlatform("another")
	}
	sel := image.Selection{Platforms: want}
	leaves, err := o.Pick(ctx, sel)
	if err != nil {
		return leaf, nil, err
	}
	if leaf = leaves[0]; leaf.Platform.OS == "" && !leaf.Image { // of artifacts an index is taken whole
		return image.NewLeaf(o.Root.Descriptor), o, nil
	}
	l.notePassed(im.Label, []v1.Platform{leaf.Platform}, o.Passed(leaf, sel))
	return leaf, o, nil
}

// noteDefaultPlatform says which platform is taken if none was asked for.
func (c call) noteDefaultPlatform(choice string) {
	here := image.FormatPlatform(image.DefaultPlatform())
	c.note("platform %s (the default here; --platform chooses %s)", here, choice)
}

// notePassed says which version of a system was taken where there are several, and which manifest where
// several are for one platform.
func (c call) notePassed(name string, taken []v1.Platform, passed []image.Leaf) {
	var versions []v1.Platform
	var same []string
	for _, l := range passed {
		if image.FormatPlatforms([]v1.Platform{l.Platform}) == image.FormatPlatforms(taken) {
			same = append(same, l.Descriptor.Digest.String())
		} else {
			versions = append(versions, l.Platform)
		}
	}
	if len(versions) > 0 {
		c.note("note: of %s this is %s; there is also %s: --platform OS/ARCH:VERSION chooses another",
			terminal.Quote(name), image.FormatPlatforms(taken), image.FormatPlatforms(versions))
	}
	if len(same) > 0 {
		c.note("note: of %s this is the first for %s; there is also %s: in a registry NAME@DIGEST "+
			"chooses another",
			terminal.Quote(name), image.FormatPlatforms(taken), strings.Join(same[:min(len(same), 10)], ", "))
	}
}

// onePlatform reads --platform where it may be given once.
func (l *looker) onePlatform() ([]v1.Platform, error) {
	chosen, all, err := l.platforms()
	if err == nil && (all || len(chosen) > 1) {
		err = usagef("%s is for one platform: give one --platform", l.Command.Name)
	}
	return chosen, err
}

// noManifest says why an image of a docker tar has no manifest to show.
func noManifest(im *source.Image) error {
	return fmt.Errorf("%s is in a docker tar, which does not keep the manifest of a registry, nor its digest; "+
		"its image ID is %s: manifest %w", im.Label, im.Saved.ID, registry.ErrNotFound)
}
