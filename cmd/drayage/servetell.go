package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"drayage/internal/browse"
	"drayage/internal/front"
	"drayage/internal/pullers"
	"drayage/internal/report"
	"drayage/internal/shelf"
	"drayage/internal/tell"
	"drayage/internal/terminal"
	"drayage/serve"
)

// ready says what is served and where. The address on standard output tells scripts that it can be asked.
func (s *server) ready(f *front.Front, shelves *shelf.Shelves, catalog *serve.Catalog) error {
	s.aboutShelves(shelves)
	s.sayConflicts(catalog.Conflicts())
	s.note("serving %s", held(shelves))
	s.sayFront(f)
	s.sayPull(f, catalog, shelves.Shelves)
	if s.Bool("json") {
		return s.announce(f, shelves)
	}
	_, err := fmt.Fprintln(s.stdout, f.URL())
	return err
}

// held says how much is served.
func held(shelves *shelf.Shelves) string {
	text := terminal.Count(shelves.Images, "image")
	if n := len(shelves.Names); n > shelves.Images {
		text += " under " + terminal.Count(n, "name")
	}
	return text + " of " + terminal.Count(shelves.Sources, "source")
}

// aboutShelves tells what people should know of what is served.
func (s *server) aboutShelves(shelves *shelf.Shelves) {
	for _, text := range shelves.Remarks {
		s.note("note: %s", terminal.Line(text))
	}
	for _, l := range shelves.Left {
		s.note("note: %s is left out: %v", terminal.Quote(l.Path), l.Err)
	}
	if len(shelves.Lacking) == 0 {
		return
	}
	s.note("note: %s cannot be pulled as a whole: name a SOURCE or --base that has what was left out",
		terminal.Count(len(shelves.Lacking), "image"))
	for _, l := range shelves.Lacking[:min(len(shelves.Lacking), shownMissing)] {
		s.note("%s lacks %s (%s)", l.Image, terminal.Count(l.Blobs, "blob"), terminal.Size(l.Bytes))
	}
	if more := len(shelves.Lacking) - shownMissing; more > 0 {
		s.note("and %d more", more)
	}
	if slices.ContainsFunc(shelves.Lacking, func(l shelf.Lacking) bool { return l.Content > 0 }) {
		s.note("layers sent with --patch=content have lost their digests, and are not served: " +
			"drayage save ARCHIVE --base X -o oci:DIR makes images with other digests that can be")
	}
	for _, b := range shelves.Missing.Blobs[:min(len(shelves.Missing.Blobs), shownMissing)] {
		for _, base := range b.Lost {
			s.note("layer %s: inside is a patch of %s, which unpacks to %s", b.Digest, base.Digest, base.DiffID)
		}
	}
}

// sayConflicts tells of names that are several images.
func (s *server) sayConflicts(all []serve.Conflict) {
	for _, c := range all[:min(len(all), shownMissing)] {
		s.note("note: %s is %s in %s and another image in %s: the first is served", c.Name, c.Served, c.ServedIn,
			c.LeftIn)
	}
	if more := len(all) - shownMissing; more > 0 {
		s.note("and %d more such names", more)
	}
}

// sayPull says how engines pull the first image that has a tag, or the first one of all.
func (s *server) sayPull(f *front.Front, c *serve.Catalog, shelves []serve.Shelf) {
	all := c.Repositories()
	if len(all) == 0 {
		return
	}
	i := slices.IndexFunc(all, func(r serve.Repository) bool { return len(r.Tags) > 0 })
	name := f.Host() + "/" + browse.Short(c, all[max(i, 0)].Name)
	if i >= 0 {
		name += ":" + all[i].Tags[0].Name
	} else {
		name += untagged(shelves, all[0].Name)
	}
	for _, e := range pullers.For(f.Host(), f.How())[:3] { // one line for each way to pull
		s.note("%s", e.Pull(name))
	}
}

// untagged is the digest of an image in a repository that has no tags, as it stands behind a name.
func untagged(shelves []serve.Shelf, repository string) string {
	for _, sh := range shelves {
		for _, im := range sh.Images {
			pinned := func(name string) bool { return strings.HasPrefix(name, repository+"@") }
			if len(im.Names) == 0 && sh.Repository == repository || slices.ContainsFunc(im.Names, pinned) {
				return "@" + im.Root.Digest.String()
			}
		}
	}
	return ""
}

// announce prints the result before the end: whoever reads it wants to know where to ask.
func (s *server) announce(f *front.Front, shelves *shelf.Shelves) error {
	doc := report.Document{Source: strings.Join(s.Args().Slice(), " "), URL: f.URL(), Images: []report.Image{},
		Missing: missingBlobs(shelves.Missing)}
	for _, sh := range shelves.Shelves {
		for _, im := range sh.Images {
			doc.Images = append(doc.Images, servedImages(im)...)
		}
	}
	if err := s.result(doc, nil); err != nil {
		return err
	}
	defer func() { s.json = false }()
	return s.printDocument(context.Background(), nil)
}

// servedImages is an image in the result, under each of its names.
func servedImages(im serve.Image) (all []report.Image) {
	names := im.Names
	if len(names) == 0 {
		names = []string{im.Root.Digest.String()}
	}
	for _, name := range names {
		one := report.Image{Name: name, OK: true}
		one.Digest, one.MediaType = im.Root.Digest, im.Root.MediaType
		all = append(all, one)
	}
	return all
}

// reloaded says what has changed.
func (s *server) reloaded(f *front.Front, before, now *shelf.Shelves) {
	f.Reloaded(nil)
	come, gone := shelf.Difference(before, now)
	s.aboutShelves(now)
	s.note("%s: serving %s now: %d new, %d gone", f.URL(), held(now), come, gone)
}

// reloadFailed says why everything stays as it is.
func (s *server) reloadFailed(f *front.Front, err error) {
	f.Reloaded(err)
	s.tell.Say(tell.Line{Level: tell.Error, Event: "failed",
		Message: "what is served stays as it was: " + s.describe(err)})
}

// counted counts what is served.
func counted(r *serve.Registry) (repositories, tags int) {
	c, release := r.Hold()
	defer release()
	for _, repository := range c.Repositories() {
		tags += len(repository.Tags)
	}
	return len(c.Repositories()), tags
}
