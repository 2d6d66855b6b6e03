package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/layercache"
	"drayage/layout"
	"drayage/registry"
	"drayage/upload"
)

const pushHelp = `Pushes a saved tar (a file, or - for standard input) or a layout into a registry, without a container engine.
Of a tar the layers are compressed on the way and the image IDs stay; a layout is pushed byte for byte,
so that digests stay too. What the registry has is not sent again.

DEST is the new name of a single image, or ends in / and takes every image under its own
repository path and tag: docker.io/library/alpine:3.20 becomes DEST + library/alpine:3.20.

EXAMPLES:
   drayage push alpine.tar registry.corp/team/alpine:3.20
   drayage push images registry.corp/mirror/
   drayage push oci:images:alpine:3.20 registry.corp/alpine:3.20
   ssh host docker save app | drayage push - registry.corp/app:1.2`

func pushCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "push",
		Usage:       "push a saved tar or a layout into a registry",
		UsageText:   "drayage push SOURCE DEST",
		Description: pushHelp,
		Flags: append(append([]cli.Flag{
			platformFlag("of a layout: only `OS/ARCH[/VARIANT]`, repeatable (default: everything, unchanged)"),
			&cli.BoolFlag{Name: "referrers", Usage: "of a layout: also what belongs to the images, as fetch --referrers has brought it"},
			&cli.StringFlag{Name: "compression", Usage: "of layers that are not compressed yet: `gzip`, zstd (smaller, faster; Docker pulls it since 23.0) or none", Value: "gzip"},
			&cli.IntFlag{Name: "compression-level", Usage: "gzip 1 to 9, zstd 1 to 22", DefaultText: "gzip 4, zstd 1"},
			jobsFlag("transfers", "8, and 16 more of small blobs"),
			tempDirFlag(),
		}, registryFlags()...), outputFlags()...),
		Action: func(c *cli.Context) error { return env.push(c.Context, c) },
	}
}

func (e *environment) push(ctx context.Context, c *cli.Context) error {
	if c.NArg() != 2 {
		return usagef("push needs a SOURCE and a DEST: %d arguments given", c.NArg())
	}
	packed, err := packing(c)
	if err != nil {
		return err
	}
	dest, err := parseDestination(c, c.Args().Get(1))
	if err != nil {
		return err
	}
	src, err := parseSource(c, c.Args().First())
	if err != nil {
		return fmt.Errorf("push %w", err)
	}
	if src.kind == fromRegistry {
		return usagef("push takes a saved tar or a layout, and %q is neither: fetch it first", src.text)
	}
	if src.kind == fromStdin && c.Bool("password-stdin") {
		return usagef("the tar and the password cannot both come from standard input")
	}
	client, err := e.newWriteClient(c, []string{dest.registry()})
	if err != nil {
		return err
	}
	defer client.Close()
	p := &pusher{env: e, c: c, client: client, dest: dest, packed: packed, foreign: map[digest.Digest]bool{}}
	defer p.close()
	if err := p.open(ctx, src); err != nil {
		return fmt.Errorf("push %s: %w", src.text, err)
	}
	p.here.note(e, c)
	return p.push(ctx)
}

// packing reads --compression and --compression-level.
func packing(c *cli.Context) (upload.Compression, error) {
	p := upload.Compression{Kind: compression.Kind(c.String("compression")), Level: c.Int("compression-level")}
	if c.IsSet("compression-level") && p.Level == 0 {
		p.Level = -1 // no level at all
	}
	if err := p.Check(); err != nil {
		return p, usagef("%v", err)
	}
	return p, nil
}

// pusher is one push command.
type pusher struct {
	env     *environment
	c       *cli.Context
	client  *registry.Client
	dest    destination
	packed  upload.Compression
	targets []upload.Target
	names   []string         // of the targets: where each goes
	taken   map[string]taken // by name with a tag
	closes  []func() error

	layout    *layout.Layout                   // what is pushed, if it is a layout
	belonging map[digest.Digest][]layout.Image // what in it belongs to other images
	here      *local
	stream    upload.Stream          // what brings their content, if it has to be taken in its order
	foreign   map[digest.Digest]bool // layers that the user has been told of
}

func (p *pusher) close() {
	for _, f := range p.closes {
		f()
	}
}

func (p *pusher) open(ctx context.Context, src source) error {
	if src.kind != fromLayout {
		return p.openArchive(ctx, src)
	}
	here, err := p.env.openLocal(ctx, p.c, src, &p.closes)
	if err != nil {
		return err
	}
	return p.use(ctx, src, here)
}

// use takes the images that are to be pushed, and says what there is to know of them.
func (p *pusher) use(ctx context.Context, src source, here *local) error {
	if err := here.choose(src.name); err != nil {
		return err
	}
	if err := here.fault(); err != nil {
		return err
	}
	images := here.images
	if !p.dest.prefix {
		images = slices.CompactFunc(images, func(a, b layout.Image) bool { return a.Descriptor.Digest == b.Descriptor.Digest })
	}
	if len(images)+len(here.saved) > 1 && !p.dest.prefix {
		return p.several(src, here, images)
	}
	if here.layout != nil {
		if err := p.addLayout(ctx, here.layout, images); err != nil {
			return err
		}
	}
	if err := p.addSaved(here.saved); err != nil {
		return err
	}
	p.here = here
	return nil
}

// several is the error about more images than fit under one name.
func (p *pusher) several(src source, here *local, images []layout.Image) error {
	there, prefix := "there are", "oci"
	switch {
	case here.layout == nil:
		there, prefix = "the archive holds", "docker-archive"
	case src.kind != fromLayout:
		prefix = "oci-archive"
	}
	names := append(imageLabels(images), savedNames(here.saved)...)
	return usagef("%s is the name of one image, but %s %d: %s: end DEST in / to keep their names, or choose one with %s:%s:NAME",
		p.dest.text, there, len(names), list(names), prefix, src.path)
}

func (p *pusher) addLayout(ctx context.Context, dir *layout.Layout, images []layout.Image) error {
	chosen, all, err := platforms(p.c)
	if err != nil {
		return err
	}
	if p.belonging, err = subjects(dir); err != nil {
		return err
	}
	p.layout = dir
	for _, im := range images {
		loaded, err := image.Open(ctx, dir, im.Descriptor, image.Selection{All: all || len(chosen) == 0, Platforms: chosen})
		if err == nil {
			err = loaded.LeaveOutForeign(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", imageLabel(im), err)
		}
		p.noteForeign(loaded.ForeignLayers(), loaded.Absent)
		if err := p.add(upload.Target{Image: loaded}, []string{im.Name}, imageLabel(im)); err != nil {
			return err
		}
	}
	return nil
}

// addSaved takes images of a saved tar.
func (p *pusher) addSaved(images []dockerarchive.SavedImage) error {
	chosen, _, err := platforms(p.c)
	if err != nil {
		return err
	}
	if err := checkPlatforms(images, chosen, "pushed"); err != nil {
		return err
	}
	for i := range images {
		if err := p.add(upload.Target{Saved: &images[i]}, images[i].Names, savedLabel(images[i])); err != nil {
			return err
		}
	}
	return nil
}

// add gives an image its destination: one for each of its names under a prefix.
func (p *pusher) add(t upload.Target, names []string, label string) error {
	if !p.dest.prefix {
		names = []string{""}
	}
	if len(names) == 0 || p.dest.prefix && names[0] == "" {
		return usagef("%s has no name: give a full DEST such as %srepository:tag", label, p.dest.text)
	}
	for _, n := range names {
		ref, err := p.dest.of(n)
		if err != nil {
			return err
		}
		if there, err := p.take(ref, identity(t), label); there || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		t.Repository, t.Tag = p.client.Repository(ref), ref.Tag
		p.targets = append(p.targets, t)
		p.names = append(p.names, ref.String())
	}
	return nil
}

// taken is what goes to a name.
type taken struct {
	image digest.Digest
	label string
}

// identity tells whether two targets are the same image.
func identity(t upload.Target) digest.Digest {
	if t.Image != nil {
		return t.Image.Root.Digest
	}
	return t.Saved.ID
}

// take reports whether the image goes to ref already. Another image that does is an error: a prefix drops the registry of a
// name, and of two images that differ in nothing else one would be lost.
func (p *pusher) take(ref registry.Reference, image digest.Digest, label string) (there bool, err error) {
	if ref.Tag == "" {
		return false, nil // pushed by its digest
	}
	first, there := p.taken[ref.String()]
	if there && first.image != image {
		return false, usagef("%s and %s would both become %s: choose one by its name (as in oci:DIR:NAME), and give each a DEST of its own", first.label, label, ref)
	}
	if p.taken == nil {
		p.taken = map[string]taken{}
	}
	p.taken[ref.String()] = taken{image, label}
	return there, nil
}

func (p *pusher) push(ctx context.Context) error {
	meter := p.env.newMeter(p.c, "push")
	opts := upload.Options{Jobs: p.c.Int("jobs"), CacheDir: layercache.DefaultDir(), Compression: p.packed, Stream: p.stream, Planned: meter.plan, Progress: meter.update}
	results, err := upload.Push(ctx, p.targets, opts)
	sum := meter.finish()
	if err != nil {
		return fmt.Errorf("push: %w; what has arrived stays in the registry, the same command sends the rest", err)
	}
	errs := make([]error, len(results))
	var pushed []pushedImage
	for i, r := range results {
		im := pushedImage{Name: p.names[i]}
		if r.Err != nil {
			errs[i] = fmt.Errorf("push %s: %w", p.names[i], r.Err)
			im.Error = r.Err.Error()
			if len(results) > 1 {
				fmt.Fprintf(p.env.stderr, "drayage: %s\n", describe(errs[i]))
			}
		} else {
			im.Reference, im.MediaType = r.Target.Repository.Name()+"@"+r.Descriptor.Digest.String(), r.Descriptor.MediaType
			if r.Converted {
				p.env.note(p.c, "note: %s takes no manifest of this kind: its media types were converted, so its digest is another", p.names[i])
			}
		}
		pushed = append(pushed, im)
	}
	if err := p.print(pushed); err != nil {
		return err
	}
	if err := p.referrers(ctx, results, opts); err != nil {
		return err
	}
	err = outcome(errs)
	if err == nil || sum.Moved > 0 {
		p.env.note(p.c, "%s: %s", p.dest.text, sum)
	}
	return err
}

// pushedImage is an image in the JSON result.
type pushedImage struct {
	Name      string `json:"name"`
	Reference string `json:"reference,omitempty"`
	MediaType string `json:"mediaType,omitempty"`
	Error     string `json:"error,omitempty"`
}

func (p *pusher) print(pushed []pushedImage) error {
	if p.c.Bool("json") {
		return p.env.printJSON(struct {
			Images []pushedImage `json:"images"`
		}{pushed})
	}
	for _, im := range pushed {
		if im.Reference == "" {
			continue
		}
		if _, err := fmt.Fprintln(p.env.stdout, im.Reference); err != nil {
			return err
		}
	}
	return nil
}

// destination is a DEST argument.
type destination struct {
	text   string
	prefix bool // it ends in / and takes images under their own names
	ref    registry.Reference
}

func parseDestination(c *cli.Context, s string) (destination, error) {
	d := destination{text: strings.TrimPrefix(s, "docker://")}
	if base := c.String("registry"); base != "" {
		host, err := hostOf(base)
		if err != nil {
			return d, err
		}
		d.text = host + "/" + strings.TrimPrefix(strings.TrimPrefix(d.text, host), "/")
	}
	name := d.text
	if d.prefix = strings.HasSuffix(name, "/"); d.prefix {
		host, _, _ := strings.Cut(name, "/")
		if !strings.ContainsAny(host, ".:") && host != "localhost" {
			return d, usagef("DEST %q does not begin with a registry's host name", s)
		}
		name += "image"
	}
	ref, err := registry.ParseReference(name)
	if err != nil {
		return d, usagef("DEST %q is not the name of an image or a prefix of names that ends in /", s)
	}
	if ref.Digest != "" {
		return d, usagef("DEST %q has a digest, which cannot be chosen: give a tag", s)
	}
	d.ref = ref
	return d, nil
}

func (d destination) registry() string { return d.ref.Registry }

// of is where the image with a full name goes.
func (d destination) of(name string) (registry.Reference, error) {
	if !d.prefix {
		return d.ref, nil
	}
	old, err := registry.ParseReference(name)
	if err != nil {
		return old, fmt.Errorf("image name %q: %w", name, err)
	}
	target := d.text + old.Repository
	if old.Tag != "" {
		target += ":" + old.Tag
	} else {
		target += "@" + old.Digest.String()
	}
	ref, err := registry.ParseReference(target)
	ref.Digest = ""
	return ref, err
}
