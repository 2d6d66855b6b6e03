package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/audit"
	"drayage/dockerarchive"
	"drayage/image"
	"drayage/inspect"
	"drayage/internal/durable"
	"drayage/internal/kind"
	"drayage/internal/record"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/volume"
	"drayage/internal/want"
	"drayage/registry"
)

const verifyHelp = `Reads images of a layout or saved tar whole and compares everything: manifests,
configurations and layers with their digests and sizes, and what layers unpack to with the diff IDs.
Layers that images share are read once. What is no container image, such as a signature, is compared
with its digests only.

Prints a line for each image: ok NAME@DIGEST (of a docker tar, which has no such digest: ok NAME and
the image ID), or bad NAME and each blob that is bad or missing. If anything is bad, the exit code
is 6.

With --repair an index.json that cannot be read is made anew from what is left of it and from the
blobs. The old one is kept under another name. Blobs that are not what their names say are removed, so
that fetch brings them again. Nothing else may write to the layout meanwhile.

EXAMPLES:
   drayage verify images                    every image in the layout
   drayage verify alpine.tar                a saved tar, of either format
   drayage verify oci:images:alpine:3.20    one image
   drayage verify all.tar --record r.html   that it is what was recorded
   drayage verify all.tar --cosign-key PUB  that each image is signed`

func verifyCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "verify",
		Category:    commandsLook,
		Usage:       "check that everything in a layout or saved tar is what it should be",
		UsageText:   "drayage verify SOURCE",
		Description: verifyHelp,
		Flags: append([]cli.Flag{jobsFlag("blobs", "one for each processor"), tempDirFlag(),
			&cli.BoolFlag{Name: "repair", Category: groupWhat,
				Usage: "of a layout: first rebuild an index.json that cannot be read, and remove blobs that are bad"},
			recordFlag("also compare what is here with the record in `FILE`, .html or .json, which save or " +
				"inspect has written"),
			cosignKeyFlag("also check that each image is signed with the key in `PUB`, the public key of cosign; of " +
				"several keys any one will do"),
			basesFlag("read what was left out of an archive from `X` and check it too: an earlier archive, " +
				"a layout, or a repository"),
			keyFlag(),
			volumesFlag(),
			wantOutFlag(),
		}, append(accessFlags(), outputFlags(progressFlag())...)...),
		Action: env.run(call.verify),
	}
}

func (c call) verify(ctx context.Context) error {
	if c.NArg() != 1 {
		return usagef("verify needs one SOURCE: %s given", terminal.Count(c.NArg(), "argument"))
	}
	spec, err := c.parseSource(c.Args().First())
	if err != nil {
		return c.about(err)
	}
	if err := spec.Missing(); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if spec.Kind == source.Registry {
		return usagef("verify takes a layout or a saved tar, and %q is neither: fetch verifies what it brings",
			spec.Text)
	}
	if c.Bool("repair") {
		if err := c.repair(ctx, spec); err != nil {
			return fmt.Errorf("repair %s: %w", spec.Text, err)
		}
	}
	v := &verifier{call: c}
	if v.signatures, err = c.newSignatures(); err != nil {
		return err
	}
	opts, err := v.options(spec)
	if err != nil {
		return err
	}
	if v.set, err = spec.Open(ctx, opts); err != nil {
		return fmt.Errorf("verify %s: %w", spec.Text, err)
	}
	defer v.set.Close()
	closes, err := v.useBases(ctx)
	defer closes()
	if err != nil {
		return fmt.Errorf("verify %s: %w", spec.Text, err)
	}
	report, err := v.checkAll(ctx, opts)
	if err != nil {
		return fmt.Errorf("verify %s: %w", spec.Text, err)
	}
	return v.conclude(report)
}

// checkAll checks the images, and whatever else there is of them. Where volumes are missing or damaged, the
// rest is no fault of its own.
func (v *verifier) checkAll(ctx context.Context, opts source.Options) (*audit.Report, error) {
	report, err := v.check(ctx)
	if err == nil {
		err = v.checkVolumes(ctx)
	}
	if err != nil {
		return nil, err
	}
	if err = v.checkSignatures(ctx); v.volumesFault() != nil {
		return report, nil
	}
	if err == nil {
		err = v.compareChecksum(ctx)
	}
	if err == nil {
		if v.differences, err = v.recorded.Differences(ctx, v.set, opts); err != nil {
			err = fmt.Errorf("compare with the record: %w", err)
		}
	}
	return report, err
}

// check reads everything.
func (v *verifier) check(ctx context.Context) (*audit.Report, error) {
	v.noteRemarks(v.set)
	meter := v.newMeter("verify", nil)
	defer meter.finish()
	return audit.Check(ctx, v.targets, audit.Options{
		Jobs: v.Int("jobs"), Planned: meter.Plan, Progress: meter.Update,
		Found: func(i int, blobs []v1.Descriptor) { meter.Name(v.set.Images[i].Label, blobs) },
	})
}

// verifier is one verify command.
type verifier struct {
	call
	set     *source.Set
	targets []audit.Target // of the images of the set
	missing *want.List     // what was left out and is in no base

	signatures *signatures    // nil if no key was given
	volumes    *volume.Health // of an archive in volumes; or nil

	recorded    *record.Document // of --record; or nil
	differences []string         // from the record
	unlike      error            // about a file of checksums that says something else
}

// target is an image as audit takes it.
func target(ctx context.Context, im *source.Image) (audit.Target, error) {
	if im.Saved != nil {
		return audit.Target{Saved: im.Saved}, nil
	}
	root, src, err := im.Root(ctx)
	return audit.Target{Root: root, Source: src, Absent: im.NotHere}, err
}

func (v *verifier) report(r *audit.Report) error {
	left, err := v.unreferenced(v.Context.Context, r)
	if err != nil {
		return err
	}
	doc, lines := v.document(r)
	lines = slices.Concat(v.volumeLines(&doc), lines, v.reportSignatures(&doc))
	for _, d := range v.differences {
		lines = append(lines, "differs: "+d)
	}
	doc.Differences = v.differences
	if left != nil {
		doc.Unreferenced = &report.Blobs{BlobCount: left.Blobs, SizeBytes: left.Bytes}
	}
	if err := v.result(doc, lines); err != nil {
		return err
	}
	text := v.set.Spec.Text
	v.noteVolumes()
	v.noteNeeds(doc)
	if left != nil && left.Blobs > 0 {
		v.note("note: no image leads to %s with %s", terminal.Count(left.Blobs, "blob"), terminal.Size(left.Bytes))
	}
	bad, referrers := 0, 0
	for i, im := range v.set.Images {
		if len(r.Results[i].Faults) > 0 {
			bad++
		}
		if im.Referrer {
			referrers++
		}
	}
	all := len(doc.Images)
	v.note("%s: %s, bad: %d, layers read: %d with %s",
		text, imageCount(all-referrers, referrers), bad, r.Blobs, terminal.Size(r.Bytes))
	return v.verdict(r, bad)
}

// verdict is the error about what was found. So many images are bad.
func (v *verifier) verdict(r *audit.Report, bad int) error {
	text, all := v.set.Spec.Text, len(v.set.Images)
	if fault := v.filesFault(); fault != nil {
		return fmt.Errorf("verify %s: %w", text, fault)
	}
	if bad > 0 {
		if fault := v.fault(r); fault != nil {
			return fmt.Errorf("verify %s: %d of %d images are bad: %w", text, bad, all, fault)
		}
		return kind.Errorf(registry.ErrIntegrity, "verify %s: %d of %d images are bad", text, bad, all)
	}
	if v.signatures != nil {
		if err := v.signatures.fault("verify " + text); err != nil {
			return err
		}
	}
	return v.differs()
}

// document is the result of a check, with a line for each image. What users should know of one, it notes.
func (v *verifier) document(r *audit.Report) (doc report.Document, lines []string) {
	doc = report.Document{Source: v.Args().First(), Images: []report.Image{}}
	for i, result := range r.Results {
		im := v.image(i, result)
		if absent := absentList(result.Absent); absent != "" {
			v.note("note: %s: not here, and need not be: %s", terminal.Quote(im.Name), absent)
		}
		for _, why := range result.Sealed {
			v.note("note: %s: %s: compared with digests only, not unpacked", terminal.Quote(im.Name), why)
		}
		doc.Images, lines = append(doc.Images, im), append(lines, line(im, result))
	}
	if blobs, bytes := r.LeftOut(); blobs > 0 {
		doc.LeftOut = &report.Blobs{BlobCount: blobs, SizeBytes: bytes}
	}
	if doc.Patches = patches(r); v.IsSet("base") {
		doc.Missing = missingBlobs(v.missing)
	}
	return doc, lines
}

// fault is the error of all bad images together if parts are only missing. It is nil if bytes are wrong.
func (v *verifier) fault(r *audit.Report) error {
	for _, result := range r.Results {
		for _, f := range result.Faults {
			if f.Reason != image.Missing {
				return nil
			}
		}
	}
	what := "archive"
	if v.set.Spec.Kind == source.Layout {
		what = "layout"
	}
	return fmt.Errorf("the %s %w", what, dockerarchive.ErrIncomplete)
}

// unreferenced counts what no image leads to. It returns nil if that is unknown, or if not everything was
// checked.
func (v *verifier) unreferenced(ctx context.Context, r *audit.Report) (u *audit.Unreferenced, err error) {
	switch {
	case v.set.Spec.Name != "", v.volumesFault() != nil:
		return nil, nil
	case v.set.Archive == nil:
		return audit.UnreferencedInLayout(ctx, v.set.Layout, r)
	}
	if u, err = audit.UnreferencedInArchive(ctx, v.set.Archive); err != nil {
		err = fmt.Errorf("verify %s: %w", v.set.Spec.Text, err)
	}
	return u, err
}

// absentList lists what need not be there. What was left out is counted for all images together.
func absentList(blobs []image.Absent) string {
	var names []string
	for _, a := range blobs {
		if a.Reason != image.LeftOut {
			names = append(names, a.Descriptor.Digest.String())
		}
	}
	return source.List(names)
}

func (v *verifier) image(i int, result audit.Result) report.Image {
	im := report.Image{Name: v.set.Images[i].Label, OK: len(result.Faults) == 0}
	if saved := v.targets[i].Saved; saved != nil {
		im.Platforms = []inspect.Platform{{ID: saved.ID}}
	} else {
		im.Digest = v.targets[i].Root.Digest
	}
	if !im.OK {
		text := fmt.Sprintf("%s: bad or missing: %d", im.Name, len(result.Faults))
		im.Error = &report.Error{Code: report.Code(exitIntegrity), Text: text}
	}
	for _, f := range result.Faults {
		im.Faults = append(im.Faults, report.Fault{
			Kind: f.Part, Digest: f.Descriptor.Digest, Path: f.Path, Reason: durable.Worded(f.Cause(), f.Err),
		})
	}
	for _, a := range result.Absent {
		im.Absent = append(im.Absent, a.Descriptor.Digest)
	}
	return im
}

// line is the line of an image in the result for people.
func line(im report.Image, result audit.Result) string {
	name := terminal.Quote(im.Name)
	switch {
	case !im.OK:
		var faults []string // there may be very many
		for _, f := range result.Faults {
			why := terminal.Quote(durable.Worded(f.Cause(), f.Err))
			faults = append(faults, fmt.Sprintf("%s %s: %s", f.Part, f.Blob(), why))
		}
		return "bad " + name + ": " + strings.Join(faults, "; ")
	case im.Digest == "":
		return fmt.Sprintf("ok %s image ID %s%s", name, im.Platforms[0].ID, outside(result))
	}
	return "ok " + calledAt(im) + outside(result)
}

// outside says how much of an image was left out of the archive.
func outside(result audit.Result) string {
	blobs, bytes := 0, int64(0)
	for _, a := range result.Absent {
		if a.Reason == image.LeftOut {
			blobs, bytes = blobs+1, bytes+a.Descriptor.Size
		}
	}
	if blobs == 0 {
		return ""
	}
	return fmt.Sprintf(" (not inside: %s, %s)", terminal.Count(blobs, "blob"), terminal.Size(bytes))
}
