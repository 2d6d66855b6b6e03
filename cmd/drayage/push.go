package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/image"
	"drayage/internal/layercache"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/registry"
	"drayage/upload"
)

const pushHelp = `Pushes a saved tar (a file, or - for standard input) or a layout into a registry, without a
container engine. A layout or an OCI tar is pushed byte for byte, so that digests stay. The layers of a
docker tar are compressed on the way, and the image IDs stay. What the registry has is not sent again.

DEST is the new name of a single image, or ends in / and takes every image under its own
repository path and tag: docker.io/library/alpine:3.20 becomes DEST + library/alpine:3.20. A DEST
without a tag takes several tags of one repository.

EXAMPLES:
   drayage push alpine.tar registry.corp/team/alpine:3.20
   drayage push images registry.corp/mirror/
   drayage push oci:images:alpine:3.20 registry.corp/alpine:3.20
   ssh host docker save app | drayage push - registry.corp/app:1.2`

func pushCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "push",
		Category:    commandsMove,
		Usage:       "push a saved tar or a layout into a registry",
		UsageText:   "drayage push SOURCE DEST",
		Description: pushHelp,
		Flags: append(append([]cli.Flag{
			platformFlag("of a layout, push only what is for `OS/ARCH`; without it everything, unchanged"),
			&cli.BoolFlag{Name: "referrers", Category: groupWhat,
				Usage: "of a layout or an OCI tar: also the referrers of the images, which fetch --referrers brings"},
			&cli.StringFlag{Name: "compression", Category: groupWhat, Value: "gzip",
				Usage: "`gzip|zstd|none`: of layers that are not compressed yet; zstd is smaller and faster, " +
					"and Docker pulls it since 23.0"},
			&cli.IntFlag{Name: "compression-level", Category: groupWhat, DefaultText: "gzip 4, zstd 1",
				Usage: "`N`: 1 to 9 for gzip, 1 to 22 for zstd"},
			cosignKeyFlag("check that images are signed with the key in `PUB`, the public key of cosign, and tell " +
				"of those that are not; of several keys any one will do"),
			requireSignatureFlag(),
			moveDryRunFlag(),
			reuseFlag(),
			restoreFlag(),
			jobsFlag("transfers", "8, and 16 more of small blobs"),
			tempDirFlag(),
			basesFlag("take what was left out of an archive from `X`: an earlier archive, a layout, or a " +
				"repository; of the registry of DEST also layers of a docker tar"),
			keyFlag(),
			volumesFlag(),
			wantOutFlag(),
		}, slices.Concat(shardPushFlags(), renameFlags(), writeFlags())...), outputFlags(progressFlag())...),
		Action: env.run(call.push),
	}
}

func (c call) push(ctx context.Context) error {
	if c.NArg() != 2 {
		return usagef("push needs a SOURCE and a DEST: %s given", terminal.Count(c.NArg(), "argument"))
	}
	packed, err := c.packing()
	if err != nil {
		return err
	}
	if how := source.Bring(c.Args().Slice()[:1], c.Args().Get(1)); how != "" {
		return usagef("push takes images to a registry, and %q is none: %s", c.Args().Get(1), how)
	}
	dest, err := c.destination(c.Args().Get(1))
	if err != nil {
		return err
	}
	spec, err := c.parseSource(c.Args().First())
	if err != nil {
		return c.about(err)
	}
	if spec.Kindless() != "" {
		return usagef("push takes a saved tar or a layout, and %q is neither: did you mean %s?",
			spec.Text, spec.Kindless())
	}
	if spec.Kind == source.Registry {
		return usagef("push takes a saved tar or a layout, and %q is neither: drayage copy %s %s takes an image "+
			"from its registry", spec.Text, terminal.ShellWord(spec.Text), terminal.ShellWord(c.Args().Get(1)))
	}
	return c.pushLocal(ctx, spec, dest, packed)
}

// pushLocal pushes what a layout or an archive holds.
func (c call) pushLocal(
	ctx context.Context, spec source.Spec, dest upload.Destination, packed upload.Compression,
) error {
	if spec.Kind == source.Stdin && c.Bool("password-stdin") {
		return errOneStdin()
	}
	p, err := c.newPusher(nil, dest)
	if err != nil {
		return err
	}
	defer p.close()
	if p.signatures, err = c.newSignatures(); err != nil {
		return err
	}
	p.opts.Compression, p.opts.KeepDigests = packed, c.Bool("require-signature")
	if err := c.reuse(&p.opts); err != nil {
		return err
	}
	if err := p.useBases(ctx); err != nil {
		return err
	}
	if p.restorer, err = c.newRestorer(ctx); err != nil {
		return err
	}
	p.opts.KeepDigests = p.opts.KeepDigests || p.restorer != nil
	set, err := p.open(ctx, spec)
	if err != nil {
		return fmt.Errorf("%s %s: %w", c.Command.Name, spec.Text, err)
	}
	defer set.Close()
	c.noteRemarks(set)
	c.noteUnfit(dest, set.References())
	set.Forget() // there may be very many images, and all have been loaded
	return p.pushOrForesee(ctx, set.Spec)
}

// pusher is one push command.
type pusher struct {
	call
	client   *registry.Client
	dest     upload.Destination
	sel      image.Selection // of images in a layout
	opts     upload.Options
	placed   *upload.Placement
	left     leftovers
	strays   []string               // artifacts without a name
	nameless []string               // other images without a name, beside images that have one
	foreign  map[digest.Digest]bool // layers that the user has been told of
	lost     []upload.Result        // of images that could not be found out about
	images   *imagesTold            // tells of the images
	turns    *turnsTaken            // of a copy that goes by turns
	sources  map[string]string      // what images are copied from, by what they are called where they go
	stores   []source.Spec          // bases that are not in the registry that is pushed to
	closes   []func()               // of what was opened of these

	signatures *signatures // nil if no key was given
	restorer   *restorer   // nil: docker tars get manifests of their own
}

// newPusher reads the flags that push and copy have in common. from are the registries that images come from.
// The caller closes the client.
func (c call) newPusher(from []string, dest upload.Destination) (*pusher, error) {
	chosen, all, err := c.platforms()
	if err != nil {
		return nil, err
	}
	credentials, err := c.bothCredentials(from, dest.Registry())
	if err != nil {
		return nil, err
	}
	client, err := c.clientWith(credentials)
	return &pusher{
		call: c, client: client, dest: dest, foreign: map[digest.Digest]bool{},
		sel:  image.Selection{All: all || len(chosen) == 0, Platforms: chosen},
		opts: upload.Options{Jobs: c.Int("jobs"), CacheDir: layercache.DefaultDir(), Look: c.Bool("dry-run")},
	}, err
}

// open opens SOURCE and gives its images their places. push reads an archive that is a stream, or
// compressed, while it sends the images, if the order of the archive allows that.
func (p *pusher) open(ctx context.Context, spec source.Spec) (*source.Set, error) {
	opts := p.sourceOptions()
	switch {
	case p.Bool("dry-run"):
		opts.Why = "--dry-run looks at all of it first"
	case p.signatures != nil:
		opts.Why = "--cosign-key looks at signatures first"
	case p.restorer != nil:
		opts.Why = "--restore reads layers several times"
	case p.Bool("referrers"):
		opts.Why = "--referrers goes back and forth in it"
	case !p.shard.All():
		opts.Why = "--shard looks at all images first"
	default:
		opts.OnePass = p.inOnePass
	}
	set, err := spec.Open(ctx, opts)
	if err != nil || set.Pass != nil {
		return set, err
	}
	if err := p.use(ctx, set); err != nil {
		set.Close()
		return nil, err
	}
	return set, nil
}

// inOnePass prepares to push images whose blobs come in a stream, or says why that cannot be.
func (p *pusher) inOnePass(ctx context.Context, set *source.Set) (why, err error) {
	if err := p.use(ctx, set); err != nil {
		return nil, err
	}
	if why = upload.InOrder(p.placed.Targets, set.Pass); why == nil {
		p.opts.Stream = set.Pass
	}
	return why, nil
}

// noteForeign says what becomes of foreign layers, once of each.
func (p *pusher) noteForeign(im *image.Image) {
	told := func(d digest.Digest) bool {
		before := p.foreign[d]
		p.foreign[d] = true
		return before
	}
	for _, a := range im.Absent {
		if d := a.Descriptor; a.Reason == image.ForeignLayer && !told(d.Digest) {
			p.note("note: foreign layer %s is not here and stays out of the registry: "+
				"who pulls the image gets it from the URLs in its manifest", d.Digest)
		}
	}
	for _, d := range im.ForeignLayers() {
		if !told(d.Digest) {
			p.note("note: foreign layer %s (%s) is pushed like any other: make sure that its licence lets you",
				d.Digest, terminal.Size(d.Size))
		}
	}
}

// metered begins to show progress, and returns the options that report to it.
func (p *pusher) metered() (*meter, upload.Options) {
	m, opts := p.newMeter(p.Command.Name, p.client.Sent), p.opts
	for _, t := range p.placed.Targets {
		m.Name(t.Name(), t.Blobs())
	}
	opts.Planned, opts.Progress = m.Plan, m.Update
	return m, opts
}

func (p *pusher) push(ctx context.Context, spec source.Spec) error {
	meter, opts := p.metered()
	images := p.images
	if images == nil {
		images = p.tellImages(p.Command.Name, len(p.placed.Targets))
	}
	opts.Finished = images.pushed
	results, err := p.send(ctx, meter, opts)
	sum := meter.finish()
	if err != nil {
		images.brokenOff(meter.Tally, "", len(results), func(i int) (string, []v1.Descriptor, error) {
			return results[i].Target.Name(), results[i].Target.Blobs(), results[i].Err
		})
		return fmt.Errorf("%s: %w; what has arrived stays in the registry, the same command sends the rest",
			p.Command.Name, err)
	}
	results = append(results, p.lost...)
	doc := report.Document{
		Source: spec.Text, Destination: p.dest.String(),
		Images: []report.Image{}, Transfer: transferred(sum),
	}
	lines, errs := p.outcomes(ctx, results, images, &doc)
	errs = append(errs, p.unplaced(spec, &doc)...)
	if err := p.result(doc, lines); err != nil {
		return err
	}
	if err := p.referrers(ctx, results); err != nil {
		return err
	}
	images.again(p.failedHeading(), len(results), func(i int) (string, error) {
		name := results[i].Target.Name()
		return cmp.Or(p.sources[name], name), results[i].Err
	})
	err = outcome(errs)
	if err == nil || sum.Moved > 0 {
		p.note("%s: %s", p.dest, sum)
	}
	return err
}

// failedHeading stands above the images that have failed: names of sources can be copied again.
func (p *pusher) failedHeading() string {
	if p.sources != nil {
		return "failed, as a list for --from:"
	}
	return "failed:"
}

// outcomes enters the images that were pushed into doc. It returns the lines of the result, and the error of
// each image.
func (p *pusher) outcomes(
	ctx context.Context, results []upload.Result, images *imagesTold, doc *report.Document,
) (lines []string, errs []error) {
	errs = make([]error, len(results))
	var repositories []string
	for _, r := range results {
		repositories = append(repositories, r.Target.Repository.Name())
	}
	images.sharing(repositories)
	for i, r := range results {
		im := report.Image{Name: r.Target.Name(), OK: r.Err == nil, Converted: r.Err == nil && r.Converted}
		p.reportPushed(r.Target, &im)
		if r.Err != nil {
			errs[i] = images.failure(im.Name, p.sources[im.Name], r.Err)
			im.Error = p.reported(ctx, r.Err)
		} else {
			im.Reference = r.Target.Repository.Name() + "@" + r.Descriptor.Digest.String()
			im.Digest, im.MediaType = r.Descriptor.Digest, r.Descriptor.MediaType
			line := im.Reference
			if r.Target.Tag != "" && images.shared[repositories[i]] {
				line = im.Name + "@" + im.Digest.String()
			}
			lines = append(lines, line)
		}
		if r.Err == nil && r.Converted {
			behind := ""
			if of := r.Target.Image; of != nil && len(of.Referrers) > 0 {
				behind = fmt.Sprintf(", without %s of %s", terminal.Count(len(of.Referrers), "referrer"), of.Root.Digest)
			}
			p.note("note: %s takes no manifest of this kind: its media types were converted, "+
				"so its digest is another%s", im.Name, behind)
		}
		doc.Images = append(doc.Images, im)
	}
	return lines, errs
}
