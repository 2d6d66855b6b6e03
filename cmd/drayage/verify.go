package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"

	"drayage/audit"
	"drayage/dockerarchive"
	"drayage/image"
	"drayage/layout"
	"drayage/registry"
)

const verifyHelp = `Reads images of a layout or saved tar whole and compares everything: manifests, configurations and layers with
their digests and sizes, and what layers unpack to with the diff IDs. Layers that images share are read once.
What is no container image, such as a signature, is compared with its digests only.

Prints a line for each image: ok NAME@DIGEST (of a docker tar, which has no such digest: ok NAME and the image ID),
or bad NAME and each blob that is bad or missing. If anything is bad, the exit code is 6.

With --repair an index.json that cannot be read is made anew from what is left of it and from the blobs (the old one is kept under another
name), and blobs that are not what their names say are removed, so that fetch brings them again. Nothing else may write to the layout meanwhile.

EXAMPLES:
   drayage verify images                    every image in the layout
   drayage verify alpine.tar                a saved tar, of either format
   drayage verify oci:images:alpine:3.20    one image`

func verifyCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "verify",
		Usage:       "check that everything in a layout or saved tar is what it should be",
		UsageText:   "drayage verify SOURCE",
		Description: verifyHelp,
		Flags: append([]cli.Flag{jobsFlag("blobs", "one for each processor"), tempDirFlag(),
			&cli.BoolFlag{Name: "repair", Usage: "of a layout: first rebuild an index.json that cannot be read, and remove blobs that are bad"}}, outputFlags()...),
		Action: func(c *cli.Context) error { return env.verify(c.Context, c) },
	}
}

func (e *environment) verify(ctx context.Context, c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("verify needs one SOURCE: %d arguments given", c.NArg())
	}
	src, err := parseSource(c, c.Args().First())
	if err != nil {
		return fmt.Errorf("verify %w", err)
	}
	if src.kind == fromRegistry {
		return usagef("verify takes a layout or a saved tar, and %q is neither: fetch verifies what it brings", src.text)
	}
	v := &verifier{env: e, c: c, src: src}
	defer v.close()
	if c.Bool("repair") {
		if err := v.repair(ctx); err != nil {
			return fmt.Errorf("repair %s: %w", src.text, err)
		}
	}
	if err := v.open(ctx); err != nil {
		return fmt.Errorf("verify %s: %w", src.text, err)
	}
	meter := e.newMeter(c, "verify")
	report, err := audit.Check(ctx, v.targets, audit.Options{Jobs: c.Int("jobs"), Planned: meter.plan, Progress: meter.update})
	sum := meter.finish()
	if err != nil {
		return fmt.Errorf("verify %s: %w", src.text, err)
	}
	return v.report(report, sum)
}

// verifier is one verify command.
type verifier struct {
	env     *environment
	c       *cli.Context
	src     source
	closes  []func() error
	archive *dockerarchive.Reader // nil for layout directories
	layout  *layout.Layout        // nil for docker tars
	targets []audit.Target
	labels  []string                         // of the targets
	absent  map[digest.Digest][]image.Absent // what indexes lead to and the archive lacks, by what is shown instead
}

func (v *verifier) close() {
	for _, f := range slices.Backward(v.closes) {
		f()
	}
}

func (v *verifier) open(ctx context.Context) error {
	here, err := v.openSource(ctx)
	if err != nil {
		return err
	}
	if err := here.choose(v.src.name); err != nil {
		return err
	}
	if v.layout = here.layout; v.layout != nil && v.src.name == "" {
		if here.images, err = v.layout.Images(); err != nil { // with all that belongs to them
			return err
		}
	}
	for _, im := range here.images {
		v.targets = append(v.targets, audit.Target{Root: im.Descriptor, Source: v.layout})
		v.labels = append(v.labels, imageLabel(im))
	}
	for i := range here.saved {
		v.targets = append(v.targets, audit.Target{Saved: &here.saved[i]})
		v.labels = append(v.labels, outlinedLabel(here.saved[i]))
	}
	v.absent = map[digest.Digest][]image.Absent{}
	for _, r := range here.remarks {
		v.absent[r.Image] = r.Absent
	}
	here.note(v.env, v.c)
	return nil
}

// openSource is [environment.openLocal], but of an archive without manifest.json, which no container engine made of what it happened to
// have, nothing may be absent.
func (v *verifier) openSource(ctx context.Context) (*local, error) {
	if v.src.kind == fromLayout {
		return v.env.openLocal(ctx, v.c, v.src, &v.closes)
	}
	archive, err := v.env.openArchive(ctx, v.c, v.src, &v.closes)
	if err != nil {
		return nil, err
	}
	v.archive = archive
	files := archive.FS()
	_, noItems := fs.Stat(files, "manifest.json")
	_, noIndex := fs.Stat(files, "index.json")
	if noItems != nil && noIndex == nil {
		if l, err := layout.New(files); err == nil {
			return &local{layout: l}, nil
		}
	}
	contents, err := archive.Survey(ctx)
	if err != nil && !errors.Is(err, dockerarchive.ErrNotImage) {
		err = errors.Join(err, registry.ErrIntegrity)
	}
	if err != nil {
		return nil, err
	}
	return newLocal(contents), nil
}

// verifiedImage is an image in the JSON result.
type verifiedImage struct {
	Name   string          `json:"name"`
	OK     bool            `json:"ok"`
	Digest digest.Digest   `json:"digest,omitempty"`
	ID     digest.Digest   `json:"id,omitempty"` // of an image of a docker tar
	Faults []verifiedFault `json:"faults,omitempty"`
	Absent []digest.Digest `json:"absent,omitempty"` // what need not be there
}

type verifiedFault struct {
	Kind   image.Part    `json:"kind"`
	Digest digest.Digest `json:"digest,omitempty"`
	Path   string        `json:"path,omitempty"` // in a docker tar
	Reason string        `json:"reason"`

	blob string
}

func (v *verifier) report(r *audit.Report, sum summary) error {
	var images []verifiedImage
	bad := 0
	for i, result := range r.Results {
		im := v.image(i, result)
		if !im.OK {
			bad++
		}
		if len(result.Absent) > 0 {
			v.env.note(v.c, "note: %s: not here, and need not be: %s", plainText(im.Name), absentList(result.Absent))
		}
		for _, why := range result.Sealed {
			v.env.note(v.c, "note: %s: %s: it was compared with its digest only", plainText(im.Name), why)
		}
		images = append(images, im)
	}
	loose, err := v.unreferred(v.c.Context, r)
	if err != nil {
		return err
	}
	if err := v.print(images, loose); err != nil {
		return err
	}
	if loose != nil && loose.Blobs > 0 {
		v.env.note(v.c, "note: no image leads to %d blobs with %s", loose.Blobs, size(loose.Bytes))
	}
	v.env.note(v.c, "%s: images: %d, bad: %d, layers read: %d with %s", v.src.text, len(images), bad, r.Blobs, size(r.Bytes))
	if bad > 0 {
		return fmt.Errorf("verify %s: %d of %d images are bad: %w", v.src.text, bad, len(images), registry.ErrIntegrity)
	}
	return nil
}

// outlinedLabel is what messages call an image that may lack its name and its configuration.
func outlinedLabel(im dockerarchive.SavedImage) string {
	if label := savedLabel(im); label != "" || len(im.Absent) == 0 {
		return label
	}
	return im.Absent[0].Path
}

func absentList(blobs []image.Absent) string {
	var names []string
	for _, a := range blobs {
		names = append(names, a.Descriptor.Digest.String())
	}
	return list(names)
}

func (v *verifier) image(i int, result audit.Result) verifiedImage {
	im := verifiedImage{Name: v.labels[i], OK: len(result.Faults) == 0}
	if saved := v.targets[i].Saved; saved != nil {
		im.ID = saved.ID
	} else {
		im.Digest = v.targets[i].Root.Digest
		result.Absent = slices.Concat(v.absent[im.Digest], result.Absent)
	}
	for _, f := range result.Faults {
		im.Faults = append(im.Faults, verifiedFault{f.Part, f.Descriptor.Digest, f.Path, f.Cause(), f.Blob()})
	}
	for _, a := range result.Absent {
		im.Absent = append(im.Absent, a.Descriptor.Digest)
	}
	return im
}

func (v *verifier) print(images []verifiedImage, loose *unreferred) error {
	if v.c.Bool("json") {
		return v.env.printJSON(struct {
			Images     []verifiedImage `json:"images"`
			Unreferred *unreferred     `json:"unreferred,omitempty"`
		}{images, loose})
	}
	for _, im := range images {
		if _, err := fmt.Fprintln(v.env.stdout, im.line()); err != nil {
			return err
		}
	}
	return nil
}

func (im verifiedImage) line() string {
	name := plainText(im.Name)
	switch {
	case !im.OK:
		var faults []string // there may be very many
		for _, f := range im.Faults {
			faults = append(faults, fmt.Sprintf("%s %s: %s", f.Kind, f.blob, plainText(f.Reason)))
		}
		if len(faults) == 0 {
			return "bad " + name
		}
		return "bad " + name + ": " + strings.Join(faults, "; ")
	case im.ID != "":
		return fmt.Sprintf("ok %s image ID %s", name, im.ID)
	case name == im.Digest.String():
		return "ok " + name
	}
	return fmt.Sprintf("ok %s@%s", name, im.Digest)
}

// plainText is foreign text for a line of a result: quoted if it holds what could be taken for more than text.
func plainText(s string) string {
	if q := strconv.Quote(s); q != `"`+s+`"` {
		return q
	}
	return s
}
