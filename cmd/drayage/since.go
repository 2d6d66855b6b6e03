package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/farside"
	"drayage/internal/kind"
	"drayage/internal/makepatch"
	"drayage/internal/rebuild"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/internal/want"
	"drayage/registry"
)

// crossing is what a save command leaves out because the far side has it, and where it reads what was left
// out of its sources.
type crossing struct {
	since        []source.Spec
	wanted       *want.List
	stores       []source.Spec
	repositories []registry.Reference
	named        map[*image.Image]bool // images that were named, and not all of a SOURCE
	left         farside.Division
	rebuilt      *rebuild.Source // of layers that travelled as patches; or nil
	all          bool            // everything that is in the sources is taken
}

func crossingFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "since", Category: groupWhat,
			Usage: "leave out what the far side has: `X` is its inventory, an earlier archive, a layout, or a " +
				"repository; several count together; means --format oci unless --format docker is given"},
		&cli.StringFlag{Name: "want", Category: groupWhat,
			Usage: "only the blobs in the list `FILE`, which push --want-out has written; means --format oci"},
		basesFlag("read what was left out of a SOURCE from `X`: an earlier archive, a layout, or a repository; " +
			"with --patch also the layers that patches are made against"),
		newPatchFlag(),
		wantOutFlag(),
	}
}

func wantOutFlag() cli.Flag {
	return &cli.StringFlag{Name: "want-out", Category: groupOutput,
		Usage: "write the list of all blobs that are missing into `FILE`, for save --want on the near side"}
}

// crosses reports whether a save command has to do with archives from which something is left out.
func (c call) crosses() bool { return c.IsSet("since") || c.IsSet("want") || c.IsSet("base") }

// newCrossing reads --since, --want and --base.
func (c call) newCrossing(out source.Output, format dockerarchive.Format) (x crossing, err error) {
	leaves := "since"
	if c.IsSet("want") {
		leaves = "want"
	}
	switch {
	case c.IsSet("since") && c.IsSet("want"):
		return x, usagef("--want says what the far side lacks, and --since what it has: give one of them")
	case c.IsSet(leaves) && out.Form == source.LayoutDir:
		return x, usagef("-o %s is a layout, which has all blobs of its images: --%s writes a tar, -o FILE.tar",
			out.Text, leaves)
	case c.IsSet("want") && !format.Whole():
		return x, usagef("--want needs --format oci: a docker tar says nothing of the blobs that it consists of")
	}
	if err := c.checkPatch(out, format); err != nil {
		return x, err
	}
	x.named = map[*image.Image]bool{}
	if x.since, err = c.sinceSpecs(); err != nil {
		return x, err
	}
	if x.stores, x.repositories, err = c.bases(); err != nil || !c.IsSet("want") {
		return x, err
	}
	x.wanted, err = readWant(c.String("want"))
	return x, err
}

func (c call) sinceSpecs() (specs []source.Spec, err error) {
	for _, text := range c.StringSlice("since") {
		spec, err := c.parseSource(text)
		if err == nil {
			err = spec.Missing()
		}
		if err = cmp.Or(farside.NoEngine(text), err); err != nil {
			return nil, c.aboutFlag("since", err)
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

func readWant(path string) (*want.List, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("save --want %s: %w", path, durable.Cause(err))
	}
	defer f.Close()
	l, err := want.Parse(f)
	if errors.As(err, new(*fs.PathError)) {
		return nil, fmt.Errorf("save --want %s: %w", path, durable.Cause(err))
	}
	if err != nil {
		return nil, kind.Errorf(registry.ErrIntegrity,
			"save --want %s: %w; push --want-out writes such a list", path, err)
	}
	return l, nil
}

// registries are those that the command talks to besides the ones that images come from.
func (x *crossing) registries() (names []string) {
	for _, spec := range x.since {
		if spec.Kind == source.Registry {
			names = append(names, spec.Ref.Registry)
		}
	}
	return append(names, hosts(x.repositories)...)
}

// client returns the one client of the command.
func (s *saver) registryClient(refs ...registry.Reference) (*registry.Client, error) {
	if s.client != nil {
		return s.client, nil
	}
	client, err := s.newClient(append(hosts(refs), s.registries()...), false)
	if err != nil {
		return nil, err
	}
	s.client = client
	s.closes = append(s.closes, func() error { client.Close(); return nil })
	return client, nil
}

// cross fills what was left out of the sources, and leaves out what the far side has.
func (s *saver) cross(ctx context.Context) error {
	if err := s.fill(ctx); err != nil {
		return err
	}
	switch {
	case s.wanted != nil:
		return s.answer(ctx)
	case len(s.since) > 0:
		if err := s.leaveOut(ctx); err != nil {
			return err
		}
	}
	thin := s.format.Whole() && s.out.Form != source.LayoutDir && (!s.IsSet("base") || s.patchMode() != "")
	if thin {
		s.outcomes = makepatch.Carried(s.outcomes, s.images)
	}
	missing := want.Missing(s.images, calledAs)
	missing.Drop(s.left.Blobs)
	missing.Drop(makepatch.Patched(s.outcomes))
	if thin {
		s.left.Left.Blobs += len(missing.Blobs) // an archive of thin archives is thin too
		s.left.Left.Bytes += missing.Bytes()
		return nil
	}
	if err := farside.Explain(ctx, missing, s.rebuilt); err != nil {
		return err
	}
	return s.lacking(missing, "%s left out and not found in a base: "+wouldDo(missing), missing.Were())
}

// fill reads what was left out of the sources elsewhere: in a base, or with another image.
func (s *saver) fill(ctx context.Context) error {
	if len(farside.Lacking(s.images)) == 0 {
		if s.IsSet("base") && s.patchMode() == "" {
			s.note("note: nothing was left out of %s: --base is not needed", source.List(s.Args().Slice()))
		}
		return nil
	}
	bases := slices.Concat(s.stores, s.out.Layouts(), specsOf(s.repositories))
	all, closes, err := openBases(ctx, bases, s.sideOptions())
	s.closes = append(s.closes, func() error { closes(); return nil })
	if err != nil {
		return err
	}
	if len(s.repositories) > 0 && s.client != nil {
		s.wire = s.client.Received
	}
	s.rebuilt, err = farside.Fill(ctx, s.images, append([]farside.Base{farside.EachOther(s.images)}, all...),
		s.tempDir())
	s.closes = append(s.closes, s.rebuilt.Close)
	return err
}

// sideOptions say how a place is opened that is like the far side.
func (s *saver) sideOptions() source.Options {
	opts := untrusted(s.sourceOptions())
	opts.Client = func(registry.Reference) (*registry.Client, error) { return s.registryClient() }
	return opts
}

// leaveOut leaves out what --since names.
func (s *saver) leaveOut(ctx context.Context) error {
	var all []farside.Side
	for _, spec := range s.since {
		sides, closes, err := farside.Open(ctx, spec, s.sideOptions())
		s.closes = append(s.closes, func() error { closes(); return nil })
		if err != nil {
			return fmt.Errorf("--since %s: %w", spec.Text, spec.Explain(err))
		}
		if !s.format.Whole() {
			if sides = farside.UnpackedOnly(sides); len(sides) == 0 {
				return usagef("--since %s: it does not tell which layers a Docker engine has unpacked, and a docker "+
					"tar can lack no others: take drayage inventory docker there, or leave out --format docker", spec.Text)
			}
		}
		all = append(all, sides...)
	}
	var err error
	if s.left, err = farside.LeaveOut(ctx, s.images, all); err != nil {
		return fmt.Errorf("--since: %w", err)
	}
	if err := s.patch(ctx, all); err != nil {
		return err
	}
	if s.left.Left.Blobs == 0 && len(farside.Lacking(s.images)) == 0 {
		s.note("note: nothing is left out: the far side has none of these blobs")
	}
	return nil
}

// answer leaves out all but what --want lists.
func (s *saver) answer(ctx context.Context) (err error) {
	var missing *want.List
	s.images, s.left, missing, err = farside.Answer(ctx, s.images, s.wanted, s.named)
	if err != nil {
		return err
	}
	more := ""
	if !s.sel.All || !s.referrers() {
		more = "; --platform all --referrers looks at more of the images"
	}
	return s.lacking(missing, "no SOURCE has %s that --want lists: nothing is written"+more, missing)
}

// takeAll takes everything that is in archives when they are made whole again, unless the user chooses.
func (s *saver) takeAll(specs []source.Spec) {
	isRemote := func(spec source.Spec) bool { return spec.Kind == source.Registry }
	if !s.IsSet("base") || s.patchMode() != "" || !s.format.Whole() || slices.ContainsFunc(specs, isRemote) {
		return
	}
	s.all = !s.IsSet("referrers")
	s.sel.All = s.sel.All || len(s.sel.Platforms) == 0
}

// noteLoad says how what was saved is used. An engine or a registry has to have what was left out.
func (s *saver) noteLoad(out string) {
	load, opened := "docker load -i "+terminal.ShellWord(out), terminal.ShellWord(s.opened(out))
	if s.volumes != nil {
		load = s.volumes.Load()
	}
	switch {
	case len(makepatch.Patched(s.outcomes)) > 0:
		s.noteRebuild(opened)
	case s.crossing.left.Left.Blobs == 0:
		s.note("load it with:\n  %s", load)
	case !s.format.Whole():
		s.note("load it with:\n  %s\nonly the Docker engine that has what was left out loads it: podman and "+
			"containerd do not", load)
	default:
		podman := ""
		if len(s.images) > 1 {
			podman = " (podman: archives of one image only)"
		}
		whole, _, _ := strings.Cut(filepath.Base(out)+".tar", ".tar")
		s.note("push it to the registry that has what was left out:\n  drayage push %s DEST", opened)
		s.note("an engine that has it loads it%s:\n  %s", podman, load)
		s.note("make it whole for any other engine:\n  drayage save %s --base OLD.tar -o %s",
			opened, terminal.ShellWord(whole+"-whole.tar"))
	}
}

// noteLeftOut says what was left out, and what that means for who loads the archive.
func (s *saver) noteLeftOut(doc *report.Document) {
	s.notePatches(doc)
	left := s.left.Left
	if left.Blobs == 0 {
		return
	}
	doc.LeftOut = &report.Blobs{BlobCount: left.Blobs, SizeBytes: left.Bytes}
	why := "the far side has them"
	if s.wanted != nil {
		why = "the list does not ask for them"
	}
	s.note("%s travel, %s with %s left out: %s", terminal.Size(doc.OutputBytes),
		terminal.Count(left.Blobs, "blob"), terminal.Size(left.Bytes), why)
}
