package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/urfave/cli/v2"

	"drayage/internal/front"
	"drayage/internal/guide"
	"drayage/internal/shelf"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/registry"
	"drayage/serve"
)

const serveHelp = `Serves images where they lie, as a registry to pull from: a layout, saved tars of
either format, an archive in volumes, or a folder of these, such as a USB stick.
Nothing is copied and nothing is written. Engines pull the images by their full
names: docker.io/library/alpine:3.20 is 127.0.0.1:5000/library/alpine:3.20 here.
The address is printed when the registry is ready. Ctrl-C ends it.

Several SOURCEs are served as one: what was left out of a thin archive is taken
from the others, or from --base.

EXAMPLES:
   drayage serve alpine.tar
   drayage serve /media/usb --watch
   drayage serve new.tar --base old.tar
   drayage serve images --addr :5000 --plain-http`

func serveCommand(env *environment) *cli.Command {
	return &cli.Command{
		Name:        "serve",
		Category:    commandsMove,
		Usage:       "serve saved tars and layouts as a registry to pull from",
		UsageText:   "drayage serve SOURCE...",
		Description: serveHelp,
		Flags: append(append([]cli.Flag{
			&cli.BoolFlag{Name: "watch", Category: groupWhat,
				Usage: "look every 2 seconds whether SOURCEs have changed, and serve what is there then"},
			&cli.StringFlag{Name: "compression", Category: groupWhat, Value: "none",
				Usage: "`gzip|zstd|none`: compress the layers of docker tars, once, into --cache, before the " +
					"registry is ready"},
			&cli.IntFlag{Name: "compression-level", Category: groupWhat, DefaultText: "gzip 4, zstd 1",
				Usage: "`N`: 1 to 9 for gzip, 1 to 22 for zstd"},
			&cli.StringFlag{Name: "cache", Category: groupWhere, DefaultText: "in the user's cache",
				Usage: "keep compressed layers in `DIR` for the next start"},
			basesFlag("take what was left out of an archive from `X`: an earlier archive, a layout, or a repository"),
			volumesFlag(),
			tempDirFlag(),
			keyFlag(),
			authFileFlag("for a repository as --base: take credentials from `FILE` only, docker's config.json or " +
				"podman's auth.json"),
			&cli.StringFlag{Name: "ca-file", Category: groupAccess,
				Usage: "for a repository as --base: trust the CA certificates in `FILE` too, not only the system's"},
		}, append(frontFlags(), tellFlags()...)...), outputFlags()...),
		Action: env.run(call.serve),
	}
}

// server is one serve command.
type server struct {
	call
	specs  []source.Spec
	opts   shelf.Options
	client *registry.Client // of bases in registries; nil until one is needed
}

func (c call) serve(ctx context.Context) error {
	s, err := c.newServer()
	if err != nil {
		return err
	}
	defer s.close()
	f, err := c.listen(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	shelves, err := shelf.Open(ctx, s.specs, s.opts)
	if err != nil {
		return fmt.Errorf("serve %w", err)
	}
	s.opts.Packed.Tidy(time.Now())
	return s.run(ctx, f, shelves)
}

// newServer reads the command line.
func (c call) newServer() (*server, error) {
	if c.NArg() == 0 {
		return nil, usagef("serve needs a SOURCE: a layout, a saved tar, or a folder of these")
	}
	s := &server{call: c}
	for _, text := range c.Args().Slice() {
		spec, err := c.parseSource(text)
		switch {
		case err != nil:
			return nil, c.about(err)
		case spec.Kindless() != "":
			return nil, usagef("serve takes saved tars and layouts, and %q is neither: did you mean %s?", text,
				spec.Kindless())
		case spec.Kind == source.Registry:
			return nil, usagef("there is no file or folder %q, and serve takes no images of registries: "+
				"drayage fetch %s -o DIR brings one here", text, terminal.ShellWord(text))
		}
		s.specs = append(s.specs, spec)
	}
	stores, repositories, err := c.bases()
	if err != nil {
		return nil, err
	}
	s.opts = shelf.Options{Source: c.sourceOptions(), Empty: c.Bool("watch"),
		Bases: append(stores, specsOf(repositories)...)}
	s.opts.Source.Client = func(registry.Reference) (_ *registry.Client, err error) {
		if s.client == nil {
			s.client, err = c.newClient(hosts(repositories), false)
		}
		return s.client, err
	}
	return s, s.pack()
}

// pack reads how layers are to be compressed.
func (s *server) pack() error {
	kind := s.String("compression")
	if err := guide.Choice("compression", kind); err != nil {
		return err
	}
	if kind == "none" {
		if s.IsSet("compression-level") || s.IsSet("cache") {
			return usagef("--compression-level and --cache are for --compression gzip or zstd")
		}
		return nil
	}
	how, err := s.packing()
	if err != nil {
		return err
	}
	dir := cmp.Or(s.String("cache"), shelf.DefaultDir())
	if dir == "" {
		return usagef("--compression needs --cache DIR: this user has no cache directory")
	}
	s.opts.Packed = &shelf.Packing{Compression: how, Dir: dir, Note: func(d digest.Digest, size int64) {
		s.note("compressing layer %s (%s) into %s, once", d.Encoded()[:12], terminal.Size(size), dir)
	}}
	return nil
}

func (s *server) close() {
	if s.client != nil {
		s.client.Close()
	}
}

// run serves until the user wants it to end.
func (s *server) run(ctx context.Context, f *front.Front, shelves *shelf.Shelves) error {
	catalog := serve.NewCatalog(shelves.Shelves)
	k := &shelf.Keeper{Specs: s.specs, Options: s.opts}
	k.Registry = serve.New(catalog, serve.Options{Observe: func(e serve.Event) {
		f.Observe(e)
		k.Observe(e)
	}})
	k.Changed = func(before, now *shelf.Shelves) { s.reloaded(f, before, now) }
	k.Failed = func(err error) { s.reloadFailed(f, err) }
	k.HungUp = func() { s.rereadFront(f) }
	site := front.Site{Registry: k.Registry, Count: func() (int, int) { return counted(k.Registry) },
		Pages: pages(f, k.Registry)}
	keeping, stop := context.WithCancel(ctx)
	kept := make(chan struct{})
	hangUps := s.signals.HangUps()
	err := s.ready(f, shelves, catalog)
	go func() {
		defer close(kept)
		k.Run(keeping, shelves, hangUps, s.Bool("watch"))
	}()
	if err == nil {
		err = f.Serve(ctx, site)
	}
	stop()
	<-kept
	k.Close()
	return err
}
