package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/fetch"
	"drayage/image"
	"drayage/internal/pack"
	"drayage/internal/source"
	"drayage/internal/tally"
	"drayage/internal/terminal"
	"drayage/registry"
)

const saveHelp = `Writes images into one tar file that docker load, podman load and ctr images import take.
Layers that images share are in it once. The file appears under its name only when it is complete; the same
images give the same bytes. With -o - it goes to standard output.

--format docker is what docker save wrote up to version 24: every engine loads it, and image IDs stay.
--format oci holds the registry's own bytes, so that digests stay too: Docker since 20.10, podman,
containerd and skopeo take it, and push gives the digest that the image was fetched with.

EXAMPLES:
   drayage save images -o all.tar                  every image in the layout
   drayage save oci:images:alpine:3.20 -o a.tar    one of them
   drayage save alpine:3.20 -o alpine.tar          straight from the registry
   drayage save alpine:3.20 -o a.tar --format oci --platform all
   drayage save alpine:3.20 -o a.tar --tag registry.corp/alpine:3.20
   drayage save alpine:3.20 -o alpine.tar.gz --compress gzip
   drayage save alpine:3.20 -o - | ssh host docker load`

func saveCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "save",
		Usage:       "save images from a layout or a registry as a tar for docker load",
		UsageText:   "drayage save SOURCE... -o FILE|-",
		Description: saveHelp,
		Flags: append(append([]cli.Flag{
			outputFlag(""),
			&cli.StringFlag{Name: "format", Value: string(dockerarchive.Docker),
				Usage: "`FORMAT` of the tar: docker, or oci, which is smaller and keeps manifest digests"},
			platformFlag("`OS/ARCH[/VARIANT]` of the images (default: linux on this machine's architecture); " +
				"oci also takes several, or all"),
			&cli.BoolFlag{Name: "referrers",
				Usage: "with --format oci: also what belongs to the images: signatures, attestations, SBOMs"},
			&cli.StringFlag{Name: "compress", Usage: "compress the whole tar: `gzip`, which every Docker loads, " +
				"or zstd, which is faster and smaller and which Docker loads since 23.0"},
			&cli.StringSliceFlag{Name: "tag",
				Usage: "`NAME:TAG` of the image in the tar instead of the names it has, repeatable; for a single image"},
			foreignFlag(),
			jobsFlag("layers", "one more than there are processors, at least 3"),
			tempDirFlag(),
		}, registryFlags()...), outputFlags()...),
		Action: env.run(call.save),
	}
}

func (c call) save(ctx context.Context) error {
	s, err := c.newSaver()
	if err != nil {
		return err
	}
	names, err := c.tags()
	if err != nil {
		return err
	}
	s.tagged = len(names) > 0
	defer s.close()
	if err := s.open(ctx, c.Args().Slice()); err != nil {
		return fmt.Errorf("save %w", err)
	}
	if s.tagged {
		if s.images, err = source.Rename(s.images, names); err != nil {
			return err
		}
	}
	if s.compress == pack.Zstd {
		c.note("note: docker load takes zstd since Docker 23.0; --compress gzip is for older ones")
	}
	out := c.String("output")
	if err := s.write(ctx, out); err != nil {
		return fmt.Errorf("save %s: %w", out, err)
	}
	return s.report(out)
}

// newSaver reads the flags.
func (c call) newSaver() (*saver, error) {
	out, format := c.String("output"), dockerarchive.Format(c.String("format"))
	oci := format == dockerarchive.OCI
	switch {
	case c.NArg() == 0:
		return nil, usagef("save needs a SOURCE: a layout directory or an image name")
	case out == "":
		return nil, usagef("save needs -o FILE, or -o - for standard output")
	case format != dockerarchive.Docker && !oci:
		return nil, usagef("there is no --format %q, only docker and oci", string(format))
	case c.Bool("referrers") && !oci:
		return nil, usagef("--referrers needs --format oci: a docker tar has no room for them")
	case out == "-" && isTerminal(c.stdout):
		return nil, usagef("a tar is not for a terminal: give -o FILE, or send the output somewhere")
	}
	chosen, all, err := c.platforms()
	if err != nil {
		return nil, err
	}
	if !oci && (all || len(chosen) > 1) {
		return nil, usagef("a docker tar holds one platform under a name: give one --platform, or --format oci")
	}
	compress := pack.Kind(c.String("compress"))
	if c.IsSet("compress") && compress != pack.Gzip && compress != pack.Zstd {
		return nil, usagef("there is no --compress %q, only gzip and zstd", string(compress))
	}
	return &saver{
		call: c, format: format, compress: compress,
		sel: image.Selection{All: all, Platforms: chosen}, referrers: map[digest.Digest]bool{},
	}, nil
}

// tags reads --tag, in full form and each name once.
func (c call) tags() ([]string, error) {
	var names []string
	for _, text := range c.StringSlice("tag") {
		ref, err := registry.ParseReference(text)
		if err != nil {
			return nil, usagef("--tag %q: %v", text, err)
		}
		if ref.Digest != "" {
			return nil, usagef("--tag %q has a digest, which cannot be chosen: give a tag", text)
		}
		if name := ref.Tagged(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// saver gathers the images of one save command.
type saver struct {
	call
	format   dockerarchive.Format
	compress pack.Kind
	sel      image.Selection
	images   []*image.Image // in the order of the tar
	pulled   []fetch.Result // those of images that come from a registry
	closes   []func() error
	noted    bool // the default platform has been said
	tagged   bool // names are given with --tag
	sum      tally.Sum

	attestations int // that stay behind
	referrers    map[digest.Digest]bool
}

func (s *saver) close() {
	for _, f := range slices.Backward(s.closes) {
		f()
	}
}

// open finds the images of all sources. A source that has none, or that cannot be read, ends the command: a
// tar with less in it than was asked for is a trap.
func (s *saver) open(ctx context.Context, args []string) error {
	var specs []source.Spec
	var refs []registry.Reference
	for _, a := range args {
		spec, err := s.parseSource(a)
		if err != nil {
			return err
		}
		specs = append(specs, spec)
		if spec.Kind == source.Registry {
			refs = append(refs, spec.Ref)
		}
	}
	resolved, err := s.resolve(ctx, refs)
	if err != nil {
		return err
	}
	for _, spec := range specs {
		if spec.Kind == source.Registry {
			err, resolved = s.addPulled(ctx, resolved[0]), resolved[1:]
		} else {
			err = s.addLocal(ctx, spec)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", spec.Text, spec.Explain(err))
		}
	}
	s.noteLeft()
	return nil
}

// noteDefault says once which platform is taken of images that have several.
func (s *saver) noteDefault() {
	if len(s.sel.Platforms) == 0 && !s.sel.All && !s.noted {
		s.noted = true
		s.noteDefaultPlatform("another")
	}
}

// resolve asks registries what the images in them consist of.
func (s *saver) resolve(ctx context.Context, refs []registry.Reference) ([]fetch.Result, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	s.noteDefault()
	client, err := s.newClient(hosts(refs), false)
	if err != nil {
		return nil, err
	}
	s.closes = append(s.closes, func() error { client.Close(); return nil })
	return fetch.Resolve(ctx, client, refs, s.fetching()), nil
}

// fetching says how images come from a registry.
func (s *saver) fetching() fetch.Options {
	return fetch.Options{
		All: s.sel.All, Platforms: s.sel.Platforms, Referrers: s.Bool("referrers"), Jobs: s.Int("jobs"),
	}
}

// addPulled adds an image in a registry. One in schema 1 has to be read whole to know what it consists of.
func (s *saver) addPulled(ctx context.Context, r fetch.Result) error {
	if r.Err != nil {
		return r.Err
	}
	if r.Image.Schema1 != "" {
		s.note("%s is in Docker's old schema 1, which does not say what is in its layers: they are read twice",
			r.Reference)
		meter := s.newMeter("read")
		opts := s.fetching()
		opts.Planned, opts.Progress = meter.Plan, meter.Update
		err := r.Image.Convert(ctx, opts)
		meter.finish()
		if err != nil {
			return err
		}
	}
	s.noteConverted(r.Image)
	s.pulled = append(s.pulled, r)
	s.take(&r.Image.Image)
	return nil
}

// addLocal adds the images of a layout or an archive.
func (s *saver) addLocal(ctx context.Context, spec source.Spec) error {
	set, err := spec.Open(ctx, s.sourceOptions())
	if err != nil {
		return err
	}
	s.closes = append(s.closes, func() error { set.Close(); return nil })
	s.noteRemarks(set)
	if err := set.Fault(); err != nil {
		return err
	}
	if err := set.CheckPlatforms(s.sel.Platforms, "taken"); err != nil {
		return err
	}
	for _, im := range set.Images {
		if im.Saved == nil {
			err = s.addStored(ctx, im, spec.Name != "")
		} else {
			err = s.addSaved(ctx, im.Saved)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addStored adds an image of a layout. chosen says that it was asked for by its name.
func (s *saver) addStored(ctx context.Context, im *source.Image, chosen bool) error {
	if im.IsIndex() {
		s.noteDefault()
	}
	loaded, err := im.Load(ctx, s.sel)
	var judged image.Judgement
	if err == nil {
		judged, err = loaded.Judge(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", im.Label, err)
	}
	if s.format == dockerarchive.Docker && !chosen && judged.Kind == image.Artifact {
		s.note("note: %s is no container image: it is left out of a docker tar", im.Label)
		return nil
	}
	if len(loaded.Absent) > 0 { // a tar without a foreign layer loads nowhere
		return fmt.Errorf("%s: %w", im.Label, registry.NewForeignError(loaded.Absent[0].Descriptor))
	}
	if s.Bool("referrers") {
		if loaded.Referrers, err = im.Referrers(ctx, loaded); err != nil {
			return err
		}
	} else {
		left, err := im.ReferrerDigests(ctx, loaded)
		if err != nil {
			return err
		}
		for _, d := range left {
			s.referrers[d] = true
		}
	}
	s.take(loaded)
	return nil
}

// addSaved adds an image of a docker tar as it is.
func (s *saver) addSaved(ctx context.Context, saved *dockerarchive.SavedImage) error {
	im, err := saved.Image(ctx)
	s.images = append(s.images, im)
	return err
}

// take adds an image whose platforms have been chosen.
func (s *saver) take(im *image.Image) {
	s.attestations += im.Attestations
	if len(im.Names) == 0 && !s.tagged {
		s.note("note: %s has no name with a tag: it will be loaded without one", im.Root.Digest)
	}
	s.images = append(s.images, im)
	if im.Rewritten && s.format == dockerarchive.OCI {
		s.note("note: only some platforms travel, in a new index: its digest is not the registry's")
	}
}

// noteLeft says once what stays behind and what takes it along.
func (s *saver) noteLeft() {
	var what, how []string
	if s.format == dockerarchive.Docker {
		how = append(how, "--format oci")
	}
	if s.attestations > 0 {
		what, how = append(what, terminal.Count(s.attestations, "attestation")), append(how, "--platform all")
	}
	if n := len(s.referrers); n > 0 {
		what, how = append(what, terminal.Count(n, "referrer")), append(how, "--referrers")
	}
	if len(what) > 0 {
		s.note("note: %s (provenance, SBOMs, signatures) left out: %s takes them along",
			strings.Join(what, " and "), strings.Join(how, " "))
	}
}

// savedImage is an image in the JSON result.
type savedImage struct {
	ID       string   `json:"id,omitempty"`
	Names    []string `json:"names"`
	Manifest string   `json:"manifest"`
}

func (s *saver) report(out string) error {
	if out == "-" {
		return nil
	}
	doc := struct {
		File   string       `json:"file"`
		Size   int64        `json:"size"`
		Images []savedImage `json:"images"`
	}{File: out}
	if fi, err := os.Stat(out); err == nil {
		doc.Size = fi.Size()
	}
	for _, im := range s.images {
		doc.Images = append(doc.Images, describeSaved(im, im.Names))
		for _, r := range im.Referrers {
			doc.Images = append(doc.Images, describeSaved(r, im.NamesOf(r)))
		}
	}
	s.note("%s: %s, images: %d, in %s",
		out, terminal.Size(doc.Size), len(doc.Images), s.sum.Elapsed.Round(10*time.Millisecond))
	s.note("load it with:\n  docker load -i %s", terminal.ShellWord(out))
	if !s.Bool("json") {
		return nil
	}
	return s.printJSON(doc)
}

func describeSaved(im *image.Image, names []string) savedImage {
	saved := savedImage{Names: names, Manifest: im.Root.Digest.String()}
	if config := im.RootNode().Document.Config; config != nil { // an index has none
		saved.ID = config.Digest.String()
	}
	return saved
}
