package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/farside"
	"drayage/internal/makepatch"
	"drayage/internal/older"
	"drayage/internal/report"
	"drayage/internal/source"
)

// patchMode is the value of --patch: nothing, true or content.
type patchMode string

func (p *patchMode) String() string { return string(*p) }

// Set implements flag.Value.
func (p *patchMode) Set(value string) error {
	switch value {
	case "true", "content":
		*p = patchMode(value)
	case "false":
		*p = ""
	default:
		return errors.New("it is --patch or --patch=content")
	}
	return nil
}

// Get implements flag.Getter.
func (p *patchMode) Get() any { return string(*p) }

// IsBoolFlag says that no value need follow.
func (*patchMode) IsBoolFlag() bool { return true }

// patchFlag is --patch.
type patchFlag struct{ cli.GenericFlag }

// TakesValue implements cli.DocGenerationFlag: a value follows only behind a =.
func (*patchFlag) TakesValue() bool { return false }

func newPatchFlag() cli.Flag {
	return &patchFlag{cli.GenericFlag{Name: "patch", Category: groupWhat, Value: new(patchMode),
		Usage: "with --since: send new layers as patches of layers that the far side has, where that saves a " +
			"fifth or more; only drayage can read such an archive; --patch=content also where only what a layer " +
			"unpacks to can be kept, and not its digest"}}
}

// patchMode reads --patch.
func (c call) patchMode() patchMode {
	if p, ok := c.Generic("patch").(*patchMode); ok {
		return *p
	}
	return ""
}

// checkPatch reports whether --patch fits what is written.
func (c call) checkPatch(out source.Output, format dockerarchive.Format) error {
	switch {
	case c.patchMode() == "":
		return nil
	case !c.IsSet("since"):
		return usagef("--patch needs --since, which says what the far side has: patches are made against that")
	case slices.Contains(c.Args().Slice(), "content"):
		return usagef("--patch content: write --patch=content, or ./content for a SOURCE of that name")
	case !format.Whole():
		return usagef("--patch needs --format oci: a docker tar has no room for patches")
	}
	return nil
}

// patch makes patches of the layers that travel.
func (s *saver) patch(ctx context.Context, sides []farside.Side) (err error) {
	mode := s.patchMode()
	if mode != "" && s.Bool("dry-run") {
		s.note("note: no patches are made in a dry run: new layers count whole, and this is the most " +
			"that would move")
	}
	if mode == "" || s.Bool("dry-run") {
		return nil
	}
	if s.journal, err = s.openJournal(); err != nil {
		return err
	}
	s.closes = append(s.closes, s.journal.Close)
	places, err := s.places(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	defer func() { s.patching = time.Since(began) }()
	meter := s.newMeter("patch", s.wire)
	defer meter.finish()
	s.outcomes, err = makepatch.Make(ctx, s.images, makepatch.Options{
		Finder: &older.Finder{Places: places, Has: func(ctx context.Context, d v1.Descriptor) (bool, error) {
			return farside.Has(ctx, sides, d)
		}},
		Temp: s.tempDir(), Journal: s.journal, Content: mode == "content",
		Planned: meter.Plan, Progress: meter.Update,
	})
	return err
}

// openJournal opens the file that keeps patches: beside a file that is written, or without a name.
func (s *saver) openJournal() (*makepatch.Journal, error) {
	if s.out.Path == "-" {
		return makepatch.Unnamed(s.tempDir())
	}
	return makepatch.Beside(s.out.Path, s.tempDir())
}

// places are where older images are: the bases, what --since names, and the sources.
func (s *saver) places(ctx context.Context) (all []older.Place, err error) {
	specs := slices.Concat(s.stores, specsOf(s.repositories), s.since, s.sources)
	seen := map[string]bool{}
	for _, spec := range specs {
		if spec.Kind == source.Stdin || farside.IsInventory(spec) {
			continue
		}
		if spec.Name, spec.Text = "", spec.Path; spec.Kind == source.Registry {
			spec.Text = spec.Ref.Name()
		}
		if seen[spec.Text] {
			continue
		}
		seen[spec.Text] = true
		place, err := s.place(ctx, spec)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", spec.Text, spec.Explain(err))
		}
		all = append(all, place)
	}
	return all, nil
}

func (s *saver) place(ctx context.Context, spec source.Spec) (older.Place, error) {
	if spec.Kind == source.Registry {
		client, err := s.registryClient(spec.Ref)
		if err != nil {
			return nil, err
		}
		return older.OfRepository(client.Repository(spec.Ref)), nil
	}
	opts := s.sideOptions()
	opts.Thin = true
	set, err := spec.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	s.closes = append(s.closes, func() error { set.Close(); return nil })
	return older.OfSet(set), nil
}

// notePatches says what patches save, and which layers go whole.
func (s *saver) notePatches(doc *report.Document) {
	if s.journal == nil && len(s.outcomes) == 0 {
		return
	}
	doc.Patches = report.NewPatches(s.outcomes)
	for _, line := range doc.Patches.Lines(string(s.patchMode())) {
		s.note("%s", line)
	}
}

// noteContent says of an image that the registry's digest is lost, and what has become of its layers.
func (c call) noteContent(im *image.Image) {
	n := farside.KeptContent(im)
	if n == 0 {
		return
	}
	c.note("note: %s: %s made uncompressed, because the archive keeps only what layers unpack to: the image ID "+
		"stays, the manifest has another digest, %s", strings.Join(calledAs(im), ", "), layersAre(n),
		im.Root.Digest)
}

func layersAre(n int) string {
	if n == 1 {
		return "1 layer is"
	}
	return fmt.Sprintf("%d layers are", n)
}

// noteRebuild says how an archive with patches is used.
func (s *saver) noteRebuild(opened string) {
	s.note("only drayage can read it: docker, podman, ctr and skopeo take layers that are patches for missing")
	s.note("push it to the registry that has the older layers:\n  drayage push %s DEST", opened)
}

// keptPatches says in the error that has ended a run what the next one does not have to make again.
func (s *saver) keptPatches(err error) error {
	left := s.journal.Left()
	if left == "" {
		return err
	}
	s.told = true
	return fmt.Errorf("%w; the patches made so far are kept in %s, the same command goes on with them",
		err, left)
}

// dropPatches removes the patches that were kept for an archive, which is whole now.
func (s *saver) dropPatches() error {
	if s.journal != nil || s.out.Path == "-" {
		return s.journal.Remove()
	}
	return makepatch.Forget(s.out.Path)
}
