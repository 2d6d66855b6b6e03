package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/layout"
	"drayage/registry"
)

// looker finds what the commands look at that show something and change nothing.
type looker struct {
	env    *environment
	c      *cli.Context
	closes []func() error
	source source // what has been opened
	noted  bool   // the default platform has been said
}

func (e *environment) newLooker(c *cli.Context) *looker { return &looker{env: e, c: c} }

func (l *looker) close() {
	for _, f := range slices.Backward(l.closes) {
		f()
	}
}

// subject is an image that is looked at. It is in a registry, in a layout, or, if saved is set, in a saved tar.
type subject struct {
	label string   // what messages call it
	names []string // full names, which may be none
	repo  *registry.Repository
	ref   registry.Reference // of what is in repo
	saved *dockerarchive.SavedImage

	root      v1.Descriptor // what the image is; known only after load if it is in a registry
	source    image.Source
	belonging map[digest.Digest][]layout.Image // what a layout holds that belongs to its images
}

// argument is the only argument of the command.
func (l *looker) argument(what string) (string, error) {
	if l.c.NArg() != 1 {
		return "", usagef("%s needs one %s: %d arguments given", l.c.Command.Name, what, l.c.NArg())
	}
	return l.c.Args().First(), nil
}

// open finds the images that a SOURCE argument means. Nothing is asked of a registry yet.
func (l *looker) open(ctx context.Context, arg string) ([]subject, error) {
	src, err := parseSource(l.c, arg)
	if err != nil {
		return nil, err
	}
	src.looked = true
	l.source = src
	if src.kind == fromRegistry {
		return l.openRemote(src.ref)
	}
	if src.kind == fromStdin && l.c.Bool("password-stdin") {
		return nil, usagef("the tar and the password cannot both come from standard input")
	}
	here, err := l.env.openImages(ctx, l.c, src, &l.closes)
	if err != nil {
		return nil, err
	}
	if err := here.fault(); err != nil {
		l.env.note(l.c, "note: %v", err) // what there is can be looked at
	}
	var all []subject
	if here.layout != nil {
		if all, err = layoutSubjects(here); err != nil {
			return nil, err
		}
	}
	saved, err := l.savedSubjects(here.saved)
	return append(all, saved...), err
}

// one is open for commands that show a single image.
func (l *looker) one(ctx context.Context, arg string) (*subject, error) {
	all, err := l.open(ctx, arg)
	if err != nil {
		return nil, err
	}
	if len(all) > 1 {
		return nil, usagef("there are %d images, choose one by its name: %s", len(all), subjectLabels(all))
	}
	return &all[0], nil
}

func (l *looker) openRemote(ref registry.Reference) ([]subject, error) {
	client, err := l.newClient(ref)
	if err != nil {
		return nil, err
	}
	return []subject{{label: ref.String(), names: []string{ref.String()}, repo: client.Repository(ref), ref: ref}}, nil
}

func (l *looker) newClient(ref registry.Reference) (*registry.Client, error) {
	client, err := l.env.newClient(l.c, []string{ref.Registry})
	if err != nil {
		return nil, err
	}
	l.closes = append(l.closes, func() error { client.Close(); return nil })
	return client, nil
}

func layoutSubjects(here *local) ([]subject, error) {
	belonging, err := subjects(here.layout)
	if err != nil {
		return nil, err
	}
	var all []subject
	for _, im := range here.images {
		s := subject{label: imageLabel(im), root: im.Descriptor, source: here.layout, belonging: belonging}
		if im.Name != "" {
			s.names = []string{im.Name}
		}
		all = append(all, s)
	}
	return all, nil
}

func (l *looker) savedSubjects(images []dockerarchive.SavedImage) ([]subject, error) {
	chosen, _, err := platforms(l.c)
	if err != nil {
		return nil, err
	}
	if err := checkPlatforms(images, chosen, "shown"); err != nil {
		return nil, err
	}
	var all []subject
	for i, im := range images {
		all = append(all, subject{label: savedLabel(im), names: im.Names, saved: &images[i]})
	}
	return all, nil
}

// load asks the registry what the image is, unless that is known already.
func (s *subject) load(ctx context.Context) error {
	if s.source != nil {
		return nil
	}
	root, raw, err := s.repo.Resolve(ctx, s.ref.Target())
	if err != nil {
		return err
	}
	s.root = root
	s.source = image.MemorySource{Content: map[digest.Digest][]byte{root.Digest: raw}, Next: s.repo}
	return nil
}

// pick chooses the manifest for one platform: the given one, else this machine's, which is said.
func (l *looker) pick(ctx context.Context, s *subject, want []v1.Platform) (image.Leaf, *image.Outline, error) {
	if err := s.load(ctx); err != nil {
		return image.Leaf{}, nil, err
	}
	o, err := image.LoadOutline(ctx, s.source, s.root)
	if err != nil {
		return image.Leaf{}, nil, err
	}
	if o.IsIndex() && len(want) == 0 && !l.noted {
		l.noted = true
		l.env.note(l.c, "platform %s (the default here; --platform chooses another)", image.FormatPlatform(image.DefaultPlatform()))
	}
	leaves, err := o.Pick(ctx, image.Selection{Platforms: want})
	if err != nil {
		return image.Leaf{}, nil, err
	}
	return leaves[0], o, nil
}

// onePlatform reads --platform where it may be given once.
func (l *looker) onePlatform() ([]v1.Platform, error) {
	chosen, all, err := platforms(l.c)
	if err == nil && (all || len(chosen) > 1) {
		err = usagef("%s is for one platform: give one --platform", l.c.Command.Name)
	}
	return chosen, err
}

// noManifest says why a saved tar has no manifest to show.
func noManifest(s *subject) error {
	return fmt.Errorf("%s is in a docker tar, which does not keep the manifest of a registry, nor its digest; its image ID is %s: manifest %w",
		s.label, s.saved.ID, registry.ErrNotFound)
}

func subjectLabels(all []subject) string {
	var names []string
	for _, s := range all {
		names = append(names, s.label)
	}
	return list(names)
}
