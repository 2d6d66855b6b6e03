package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"drayage/dockerarchive"
	"drayage/fetch"
	"drayage/internal/graph"
	"drayage/internal/platform"
	"drayage/layout"
	"drayage/registry"
)

const saveHelp = `Writes images into one tar file that docker load, podman load and ctr images import take. Layers that
images share are in it once. The file appears under its name only when it is complete; the same
images give the same bytes. With -o - it goes to standard output.

EXAMPLES:
   drayage save images -o all.tar                  every image in the layout
   drayage save oci:images:alpine:3.20 -o a.tar    one of them
   drayage save alpine:3.20 -o alpine.tar          straight from the registry
   drayage save alpine:3.20 -o - | ssh host docker load`

func saveCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "save",
		Usage:       "save images from a layout or a registry as a tar for docker load",
		UsageText:   "drayage save SOURCE... -o FILE|-",
		Description: saveHelp,
		Flags: append(append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FILE` to write, - for standard output"},
			&cli.StringFlag{Name: "format", Usage: "`FORMAT` of the tar: docker", Value: "docker"},
			platformFlag("`OS/ARCH[/VARIANT]` of the images (default: linux on this machine's architecture)"),
			jobsFlag("layers"),
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
	case c.String("format") != "docker":
		return usagef("there is no --format %q, only docker", c.String("format"))
	case out == "-" && e.stdoutIsTerminal():
		return usagef("a tar is not for a terminal: give -o FILE, or send the output somewhere")
	}
	chosen, all, err := platforms(c)
	if err != nil {
		return err
	}
	if all || len(chosen) > 1 {
		return usagef("a docker tar holds one platform under a name: give one --platform")
	}
	s := &saver{env: e, c: c, sel: graph.Selection{Platforms: chosen}}
	defer s.close()
	if err := s.open(ctx, c.Args().Slice()); err != nil {
		return fmt.Errorf("save %w", err)
	}
	if err := s.write(ctx, out); err != nil {
		return fmt.Errorf("save %s: %w", out, err)
	}
	return s.report(out)
}

func (e *environment) stdoutIsTerminal() bool {
	f, ok := e.stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// saver gathers the images of one save command.
type saver struct {
	env    *environment
	c      *cli.Context
	sel    graph.Selection
	remote bool // something comes from a registry
	images []dockerarchive.Image
	pulled []*fetch.Image
	closes []func() error
	client *registry.Client
	sum    summary
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
	if len(s.sel.Platforms) == 0 {
		s.env.note(s.c, "platform %s (the default here; --platform chooses another)", platform.String(platform.Default()))
	}
	if len(hosts) > 0 {
		var err error
		if s.client, err = s.env.newClient(s.c, hosts); err != nil {
			return err
		}
		s.closes = append(s.closes, func() error { s.client.Close(); return nil })
	}
	for _, src := range sources {
		if err := s.add(ctx, src); err != nil {
			return fmt.Errorf("%s: %w", src.text, err)
		}
	}
	return nil
}

func (s *saver) add(ctx context.Context, src source) error {
	switch src.kind {
	case fromRegistry:
		return s.addRemote(ctx, src.ref)
	case fromLayout:
		dir, err := layout.OpenDir(src.path)
		if err != nil {
			return err
		}
		s.closes = append(s.closes, dir.Close)
		return s.addLayout(ctx, dir, src.name)
	}
	return s.addArchive(ctx, src)
}

func (s *saver) addRemote(ctx context.Context, ref registry.Reference) error {
	s.remote = true
	im, err := fetch.Resolve(ctx, s.client, ref, fetch.Options{Platforms: s.sel.Platforms})
	if err != nil {
		return err
	}
	s.pulled = append(s.pulled, im)
	s.take(im, ref.Tagged())
	return nil
}

func (s *saver) addLayout(ctx context.Context, dir *layout.Dir, name string) error {
	images, err := findInLayout(dir, name)
	if err != nil {
		return err
	}
	for _, im := range images {
		g, err := graph.Load(ctx, dir, im.Descriptor, s.sel)
		if err != nil {
			return fmt.Errorf("%s: %w", imageLabel(im), err)
		}
		s.take(&fetch.Image{Graph: g, Source: g.Source(dir)}, taggedName(im))
	}
	return nil
}

// addArchive takes the images of a saved tar as they are.
func (s *saver) addArchive(ctx context.Context, src source) error {
	if len(s.sel.Platforms) > 0 {
		return usagef("--platform chooses among the images of a layout or registry; a saved tar is taken as it is")
	}
	images, err := s.env.savedImages(ctx, s.c, src, &s.closes)
	if err != nil {
		return err
	}
	for _, saved := range images {
		im, err := saved.Image(ctx)
		if err != nil {
			return err
		}
		s.images = append(s.images, im)
	}
	return nil
}

// take adds an image for which one platform has been chosen.
func (s *saver) take(im *fetch.Image, name string) {
	add := dockerarchive.Image{Manifest: im.Root, Source: im.Source}
	if name != "" {
		add.Names = []string{name}
	} else {
		s.env.note(s.c, "note: %s has no name with a tag: it will be loaded without one", im.Root.Digest)
	}
	s.images = append(s.images, add)
}

// savedImage is an image in the JSON result.
type savedImage struct {
	ID       string   `json:"id"`
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
	s.env.note(s.c, "%s: %s, images: %d, in %s", out, size(doc.Size), len(s.images), s.sum.Elapsed.Round(10*time.Millisecond))
	s.env.note(s.c, "load it with:\n  docker load -i %s", shellWord(out))
	if !s.c.Bool("json") {
		return nil
	}
	for _, im := range s.images {
		id, err := im.ID(s.c.Context)
		if err != nil {
			return err
		}
		doc.Images = append(doc.Images, savedImage{ID: id.String(), Names: im.Names, Manifest: im.Manifest.Digest.String()})
	}
	return s.env.printJSON(doc)
}

// shellWord quotes a path so that it can be pasted into a shell.
func shellWord(s string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:@%,=\\", r)
	}
	if s != "" && !strings.HasPrefix(s, "-") && strings.IndexFunc(s, func(r rune) bool { return !safe(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
