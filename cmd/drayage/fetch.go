package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/report"
	"drayage/internal/tally"
	"drayage/internal/terminal"
	"drayage/layout"
	"drayage/registry"
)

const fetchHelp = `Puts images into an OCI layout directory, which is made if it is not there and added to if
it is. Images share blobs; what is there already is not transferred again. Every byte is verified.

EXAMPLES:
   drayage fetch alpine:3.20 -o images
   drayage fetch alpine:3.20 ghcr.io/a/b@sha256:... -o images
   drayage fetch alpine:3.20 -o images --platform linux/arm64
   drayage fetch alpine --tags '>=3.18 <4' -o images
   drayage fetch --from list.txt -o images --platform all
   drayage fetch --from list.txt -o images --dry-run      how much would it be?`

func fetchCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "fetch",
		Category:    commandsMove,
		Usage:       "fetch images from a registry into an OCI layout directory",
		UsageText:   "drayage fetch IMAGE... -o DIR",
		Description: fetchHelp,
		Flags: append(append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: groupWhere,
				Usage: "the layout is `DIR`: made if it is not there, else added to"},
			platformFlag("for `OS/ARCH`, such as linux/arm64/v8 or windows/amd64:10.0.17763, or all; " +
				"without it for linux on this machine's architecture"),
			fromFlag(),
			&cli.StringFlag{Name: "tags", Category: groupWhat,
				Usage: "of each repository the tags that match `PATTERN`: 1.2*, or versions as '>=1.2 <2', ^1.2, ~1.2"},
			&cli.BoolFlag{Name: "all-tags", Category: groupWhat, Usage: "of each repository all tags"},
			&cli.BoolFlag{Name: "referrers", Category: groupWhat,
				Usage: "also the referrers of the images: signatures, attestations, SBOMs"},
			foreignFlag(),
			shardFlag(),
			moveDryRunFlag(),
			jobsFlag("transfers", "8, and 16 more of small blobs"),
		}, registryFlags()...), outputFlags(progressFlag())...),
		Action: env.run(call.fetch),
	}
}

func (c call) fetch(ctx context.Context) error {
	refs, err := c.imageNames()
	if err != nil {
		return err
	}
	dir, err := c.layoutOutput()
	if err != nil {
		return err
	}
	chosen, all, err := c.platforms()
	if err != nil {
		return err
	}
	client, err := c.newClient(hosts(refs), false)
	if err != nil {
		return err
	}
	defer client.Close()
	if refs, err = c.byTags(ctx, client, refs); err != nil {
		return err
	}
	if refs, _ = c.share(refs); len(refs) == 0 {
		return c.emptyShard(report.Document{Output: dir})
	}
	if len(chosen) == 0 && !all {
		c.noteDefaultPlatform("others")
	}
	opts := fetch.Options{
		All: all, Platforms: chosen, Referrers: c.Bool("referrers"), Jobs: c.Int("jobs"), Explain: c.missing,
	}
	if c.Bool("dry-run") {
		return c.forecastFetch(ctx, client, refs, dir, opts)
	}
	return c.fetchInto(ctx, client, refs, dir, opts)
}

// fetchInto fetches images into a layout, which is made if it is not there.
func (c call) fetchInto(
	ctx context.Context, client *registry.Client, refs []registry.Reference, dir string, opts fetch.Options,
) error {
	dst, err := layout.CreateDir(ctx, dir)
	if err != nil {
		return fmt.Errorf("fetch into %w", err)
	}
	defer dst.Close()
	meter, images := c.newMeter("fetch", client.Received), c.tellImages("fetch", len(refs))
	images.sharing(repositories(refs))
	opts.Resolved = func(im *fetch.Image) { meter.NameImage(im.Reference.String(), &im.Image) }
	opts.Planned, opts.Progress, opts.Brief = meter.Plan, meter.Update, true
	opts.Finished = func(r fetch.Result) {
		if r.Err == nil { // what complete images have is not counted for others
			meter.Held(r.Image.Wanted(), images.counted)
		}
		images.fetched(r)
	}
	results, err := fetch.Images(ctx, client, refs, dst, opts)
	sum, broken := meter.finish(), err != nil
	if broken {
		c.tellBroken(results, images, meter)
		err = fmt.Errorf("fetch: %w", err)
	} else {
		err = c.fetched(dir, results, images, sum)
	}
	if err == nil || dst.Discard(context.WithoutCancel(ctx)) || !broken { // an empty layout is no result
		return err
	}
	return keptIn(dst, dir, err)
}

// byTags takes repositories by their tags, if --tags or --all-tags is given.
func (c call) byTags(
	ctx context.Context, client *registry.Client, refs []registry.Reference,
) (all []registry.Reference, err error) {
	if !c.Bool("all-tags") && !c.IsSet("tags") {
		return refs, nil
	}
	if all, err = fetch.Tags(ctx, client, refs, cmp.Or(c.String("tags"), "*")); err != nil {
		return nil, fmt.Errorf("fetch %w", err)
	}
	c.note("%s chosen", terminal.Count(len(all), "tag"))
	return all, nil
}

// tellBroken says how far a fetch has come that was broken off.
func (c call) tellBroken(results []fetch.Result, images *imagesTold, meter *meter) {
	dir := c.String("output")
	images.brokenOff(meter.Tally, dir, len(results), func(i int) (string, []v1.Descriptor, error) {
		r := results[i]
		return r.Reference.String(), r.Image.Wanted(), r.Err // of what is complete nothing is wanted any more
	})
	_ = c.fetchResult(dir, results, meter.Sum())
}

// keptIn adds to an error that has broken off a fetch what the same command finds in the directory.
func keptIn(dst *layout.Dir, dir string, err error) error {
	switch {
	case durable.DiskFailed(err), errors.Is(err, fs.ErrPermission):
		return err
	case !dst.Locks():
		return fmt.Errorf("%w; whole blobs are kept in %s, going on in one takes a file system with locks",
			err, dir)
	}
	return fmt.Errorf("%w; what has arrived is kept in %s, the same command goes on from there", err, dir)
}

// hosts lists the registries of images.
func hosts(refs []registry.Reference) (names []string) {
	for _, r := range refs {
		names = append(names, r.Registry)
	}
	return names
}

func repositories(refs []registry.Reference) (names []string) {
	for _, r := range refs {
		names = append(names, r.Name())
	}
	return names
}

// fetched says what has become of the images, as far as that has not been said.
func (c call) fetched(dir string, results []fetch.Result, images *imagesTold, sum tally.Sum) error {
	errs := make([]error, len(results))
	for i, r := range results {
		if r.Err != nil {
			errs[i] = images.failure(r.Reference.String(), "", r.Err)
		}
	}
	if err := c.fetchResult(dir, results, sum); err != nil {
		return err
	}
	images.again("failed, as a list for --from:", len(results), func(i int) (string, error) {
		return results[i].Reference.String(), results[i].Err
	})
	err := outcome(errs)
	if err == nil || sum.Moved > 0 {
		c.note("%s: %s", dir, sum)
	}
	return err
}

// noteConverted says that an image is not what the registry has, if the registry has it in Docker's schema 1.
func (c call) noteConverted(im *fetch.Image) {
	if im.Schema1 != "" {
		c.note("note: %s is in Docker's old schema 1 and was converted: it has the image ID that Docker gives it, "+
			"but no referrers and not the registry's digest %s", im.Reference, im.Schema1)
	}
}

// notePinned says that the digest in a name is not that of what travels: it is of an index, and a platform
// was chosen from that.
func (c call) notePinned(im *fetch.Image) {
	pinned, root := im.Reference.Digest, im.Root.Digest
	if pinned != "" && pinned != root && !im.Rewritten && im.Schema1 == "" {
		c.note("note: %s is the digest of an index: only %s travels, whose digest is %s; --platform all keeps both",
			pinned, image.FormatPlatforms(im.Platforms), root)
	}
}

func (c call) noteFetched(r fetch.Result, name string) {
	root := r.Image.Root
	what := image.FormatPlatforms(r.Image.Platforms)
	if t := artifactType(r.Image); t != "" {
		what = terminal.Quote(t)
	}
	c.sayImage(r.Reference.String(), root.Digest.String(), "%s@%s (%s)", name, root.Digest, what)
	if n := len(r.Image.Referrers); n > 0 {
		c.note("with %s (signatures, attestations, SBOMs)", terminal.Count(n, "referrer"))
	}
	if r.Image.Rewritten {
		c.note("note: only some platforms of %s travel, in a new index: its digest is not the registry's",
			r.Reference)
	}
	var left leftovers
	left.enter(&r.Image.Image, nil, r.Image.IndexReferrers)
	if what, how := left.what(c.Bool("referrers")); what != "" {
		c.note("note: the index of %s also has %s, %s along",
			r.Reference, what, ofOne(what, "which stay behind: "+strings.Join(how, " ")+" takes them"))
	}
	c.notePassed(r.Reference.String(), r.Image.Platforms, r.Image.Passed)
	c.noteConverted(r.Image)
	c.notePinned(r.Image)
	c.noteBefore(r)
}

// noteBefore says what a layout had under the name of an image that went into it.
func (c call) noteBefore(r fetch.Result) {
	if held := image.FormatPlatforms(r.Image.Held); held != "" {
		c.note("note: %s was there for %s already, and stays under the same name", r.Reference, held)
	}
	if r.Replaced.Digest != "" {
		c.note("note: %s was %s before", r.Reference, r.Replaced.Digest)
	}
}

// artifactType is what an image is that is none: a Helm chart, a signature.
func artifactType(im *fetch.Image) string {
	doc := &im.Manifests[len(im.Manifests)-1].Document
	if len(im.Platforms) > 0 && im.Platforms[0].OS != "" || doc.MayBeImage() {
		return ""
	}
	return doc.About()
}

// fetchResult keeps the JSON result, if somebody wants it: nobody waits for that of many images after Ctrl-C.
func (c call) fetchResult(dir string, results []fetch.Result, sum tally.Sum) error {
	if !c.Bool("json") {
		return nil
	}
	doc := report.Document{Output: dir, Images: []report.Image{}, Transfer: transferred(sum)}
	for _, r := range results {
		im := report.Image{
			Name: r.Reference.String(), OK: r.Err == nil, Error: c.reported(c.Context.Context, r.Err),
		}
		if r.Err == nil {
			im.Digest, im.MediaType = r.Image.Root.Digest, r.Image.Root.MediaType
			im.Reference = r.Reference.Name() + "@" + im.Digest.String()
			im.Platforms, im.ArtifactType = report.Platforms(r.Image.Platforms), artifactType(r.Image)
			im.Schema1, im.Rewritten = r.Image.Schema1, r.Image.Rewritten
			im.Replaced = r.Replaced.Digest
		}
		doc.Images = append(doc.Images, im)
	}
	return c.result(doc, nil)
}

// transferred is what a command has moved, in its JSON result.
func transferred(sum tally.Sum) *report.Transfer {
	return &report.Transfer{
		TransferredBytes: sum.Transferred(), PresentBytes: sum.Present,
		Seconds: sum.Elapsed.Round(time.Millisecond).Seconds(),
	}
}
