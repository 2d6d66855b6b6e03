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
	"golang.org/x/term"

	"drayage/dockerarchive"
	"drayage/fetch"
	"drayage/image"
	"drayage/layout"
	"drayage/registry"
)

const saveHelp = `Writes images into one tar file that docker load, podman load and ctr images import take. Layers that
images share are in it once. The file appears under its name only when it is complete; the same
images give the same bytes. With -o - it goes to standard output.

--format docker is what docker save wrote up to version 24: every engine loads it, and image IDs stay.
--format oci holds the registry's own bytes, so that digests stay too: Docker since 20.10, podman, containerd and
skopeo take it, and push gives the digest that the image was fetched with.

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
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FILE` to write, - for standard output"},
			&cli.StringFlag{Name: "format", Usage: "`FORMAT` of the tar: docker, or oci, which is smaller and keeps manifest digests", Value: formatDocker},
			platformFlag("`OS/ARCH[/VARIANT]` of the images (default: linux on this machine's architecture); oci also takes several, or all"),
			&cli.BoolFlag{Name: "referrers", Usage: "with --format oci: also what belongs to the images: signatures, attestations, SBOMs"},
			compressFlag(),
			tagFlag(),
			foreignFlag(),
			jobsFlag("layers", "one more than there are processors, at least 3"),
			tempDirFlag(),
		}, registryFlags()...), outputFlags()...),
		Action: func(c *cli.Context) error { return env.save(c.Context, c) },
	}
}

func (e *environment) save(ctx context.Context, c *cli.Context) error {
	out := c.String("output")
	switch {
	case c.NArg() == 0:
		return usagef("save needs a SOURCE: a layout directory or an image name")
	case out == "":
		return usagef("save needs -o FILE, or -o - for standard output")
	case c.String("format") != formatDocker && c.String("format") != formatOCI:
		return usagef("there is no --format %q, only docker and oci", c.String("format"))
	case c.Bool("referrers") && c.String("format") != formatOCI:
		return usagef("--referrers needs --format oci: a docker tar has no room for them")
	case out == "-" && e.stdoutIsTerminal():
		return usagef("a tar is not for a terminal: give -o FILE, or send the output somewhere")
	}
	chosen, all, err := platforms(c)
	if err != nil {
		return err
	}
	oci := c.String("format") == formatOCI
	if !oci && (all || len(chosen) > 1) {
		return usagef("a docker tar holds one platform under a name: give one --platform, or --format oci")
	}
	names, err := newNames(c)
	if err != nil {
		return err
	}
	compress, err := newCompressor(c)
	if err != nil {
		return err
	}
	s := &saver{env: e, c: c, oci: oci, names: names, compress: compress, sel: image.Selection{All: all, Platforms: chosen}}
	defer s.close()
	if err := s.open(ctx, c.Args().Slice()); err != nil {
		return fmt.Errorf("save %w", err)
	}
	if err := s.rename(); err != nil {
		return err
	}
	if c.String("compress") == compressZstd {
		e.note(c, "note: docker load takes zstd since Docker 23.0; --compress gzip is for older ones")
	}
	if err := s.write(ctx, out); err != nil {
		return fmt.Errorf("save %s: %w", out, err)
	}
	return s.report(out)
}

// What --format takes.
const (
	formatDocker = "docker"
	formatOCI    = "oci"
)

func (e *environment) stdoutIsTerminal() bool {
	f, ok := e.stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// saver gathers the images of one save command.
type saver struct {
	env      *environment
	c        *cli.Context
	oci      bool
	names    []string   // given with --tag
	compress compressor // nil: not at all
	sel      image.Selection
	images   []dockerarchive.Image // for docker's format
	wholes   []dockerarchive.Whole // for OCI's
	pulled   []*fetch.Image
	closes   []func() error
	client   *registry.Client
	left     leftOut
	noted    bool // the default platform has been said
	sum      summary

	belonging map[*layout.Layout]map[digest.Digest][]layout.Image // what belongs to the images of layouts that have been read
}

func (s *saver) close() {
	for _, f := range slices.Backward(s.closes) {
		f()
	}
}

// open finds the images of all sources. A source that has none, or that cannot be read, ends the command: an archive
// with less in it than was asked for is a trap.
func (s *saver) open(ctx context.Context, args []string) error {
	var sources []source
	var hosts []string
	for _, a := range args {
		src, err := parseSource(s.c, a)
		if err != nil {
			return err
		}
		sources = append(sources, src)
		if src.kind == fromRegistry {
			hosts = append(hosts, src.ref.Registry)
		}
	}
	if len(hosts) > 0 {
		s.noteDefault()
		var err error
		if s.client, err = s.env.newClient(s.c, hosts); err != nil {
			return err
		}
		s.closes = append(s.closes, func() error { s.client.Close(); return nil })
	}
	for _, src := range sources {
		if err := s.add(ctx, src); err != nil {
			return fmt.Errorf("%s: %w", src.text, src.explain(err))
		}
	}
	s.left.note(s)
	return nil
}

// noteDefault says once which platform is taken of images that have several.
func (s *saver) noteDefault() {
	if len(s.sel.Platforms) == 0 && !s.sel.All && !s.noted {
		s.noted = true
		s.env.note(s.c, "platform %s (the default here; --platform chooses another)", image.FormatPlatform(image.DefaultPlatform()))
	}
}

func (s *saver) add(ctx context.Context, src source) error {
	if src.kind == fromRegistry {
		return s.addRemote(ctx, src.ref)
	}
	here, err := s.env.openImages(ctx, s.c, src, &s.closes)
	if err != nil {
		return err
	}
	if err := here.fault(); err != nil {
		return err
	}
	if err := s.addLayout(ctx, here, src.name); err != nil {
		return err
	}
	return s.addSaved(ctx, here.saved)
}

func (s *saver) addRemote(ctx context.Context, ref registry.Reference) error {
	im, err := s.resolve(ctx, ref)
	if err != nil {
		return err
	}
	s.pulled = append(s.pulled, im)
	s.take(im, ref.Tagged())
	return nil
}

func (s *saver) addLayout(ctx context.Context, here *local, name string) error {
	dir := here.layout
	for _, im := range here.images {
		if image.IsIndex(im.Descriptor.MediaType) {
			s.noteDefault()
		}
		g, err := image.Load(ctx, dir, im.Descriptor, s.sel)
		if err != nil {
			return fmt.Errorf("%s: %w", imageLabel(im), err)
		}
		judged, err := (&image.Image{Graph: g, Source: g.Source(dir)}).Judge(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", imageLabel(im), err)
		}
		if !s.oci && name == "" && judged.Kind == image.Artifact {
			s.env.note(s.c, "note: %s is no container image: it is left out of a docker tar", imageLabel(im))
			continue
		}
		if err := foreignHere(dir, g); err != nil {
			return fmt.Errorf("%s: %w", imageLabel(im), err)
		}
		whole := &fetch.Image{Image: image.Image{Graph: g, Source: g.Source(dir)}}
		if whole.Referrers, err = s.referrers(ctx, dir, g); err != nil {
			return err
		}
		if err := s.left.inLayout(s, dir, im, g); err != nil {
			return err
		}
		s.take(whole, taggedName(im))
	}
	return nil
}

// addSaved takes the images of a saved tar as they are.
func (s *saver) addSaved(ctx context.Context, images []dockerarchive.SavedImage) error {
	if err := checkPlatforms(images, s.sel.Platforms, "taken"); err != nil {
		return err
	}
	for _, saved := range images {
		im, err := saved.Image(ctx)
		if err != nil {
			return err
		}
		if !s.oci {
			s.images = append(s.images, im)
			continue
		}
		g, err := image.Load(ctx, im.Source, im.Manifest, image.Selection{All: true})
		if err != nil {
			return err
		}
		s.wholes = append(s.wholes, dockerarchive.Whole{Graph: g, Source: im.Source, Names: im.Names, Made: true})
	}
	return nil
}

// take adds an image whose platforms have been chosen.
func (s *saver) take(im *fetch.Image, name string) {
	s.left.attestations += im.Attestations
	var names []string
	if name != "" {
		names = []string{name}
	} else if len(s.names) == 0 {
		s.env.note(s.c, "note: %s has no name with a tag: it will be loaded without one", im.Root.Digest)
	}
	if !s.oci {
		s.images = append(s.images, dockerarchive.Image{Manifest: im.Root, Names: names, Source: im.Source})
		return
	}
	if im.Rewritten {
		s.env.note(s.c, "note: only some platforms travel, in a new index: its digest is not the registry's")
	}
	s.wholes = append(s.wholes, dockerarchive.Whole{Graph: im.Graph, Source: im.Source, Names: names})
	for _, r := range im.Referrers {
		s.wholes = append(s.wholes, wholeReferrer(r, name))
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
	s.env.note(s.c, "%s: %s, images: %d, in %s", out, size(doc.Size), len(s.images)+len(s.wholes), s.sum.Elapsed.Round(10*time.Millisecond))
	s.env.note(s.c, "load it with:\n  docker load -i %s", shellWord(out))
	if !s.c.Bool("json") {
		return nil
	}
	images := s.images
	for _, w := range s.wholes {
		images = append(images, dockerarchive.Image{Manifest: w.Graph.Root, Names: w.Names, Source: w.Source})
	}
	for _, im := range images {
		saved := savedImage{Names: im.Names, Manifest: im.Manifest.Digest.String()}
		if id, err := im.ID(s.c.Context); err == nil { // an index has none
			saved.ID = id.String()
		}
		doc.Images = append(doc.Images, saved)
	}
	return s.env.printJSON(doc)
}

// shellWord quotes a path so that it can be pasted into a shell.
func shellWord(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@%,=\\", r)
	}
	if s == "-" || s != "" && !strings.HasPrefix(s, "-") && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
