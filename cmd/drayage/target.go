package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"drayage/dockerarchive"
	"drayage/fetch"
	"drayage/image"
	"drayage/internal/guide"
	"drayage/internal/pack"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/tally"
	"drayage/internal/terminal"
	"drayage/layout"
	"drayage/registry"
)

// tarOutput reads -o and --format of save.
func (c call) tarOutput() (out source.Output, format dockerarchive.Format, err error) {
	if c.String("output") == "" {
		return out, "", usagef("save needs -o FILE, or -o - for standard output: drayage save %s",
			guide.WithOutput(c.Args().Slice(), "images.tar"))
	}
	format = dockerarchive.Format(c.String("format"))
	if c.crosses() && !c.given("format") {
		format = dockerarchive.OCI
	}
	if err := guide.Choice("format", string(format)); err != nil {
		return out, "", err
	}
	if out, err = source.ParseOutput(c.String("output")); err != nil {
		return out, "", err
	}
	if out.Form != source.Any {
		meant := dockerarchive.OCI
		if out.Form == source.DockerTar {
			meant = dockerarchive.Docker
		}
		if c.given("format") && format != meant {
			return out, "", usagef("-o %s means --format %s, and --format %s contradicts it", out.Text, meant, format)
		}
		format = meant
	}
	return out, format, directory(out)
}

// directory refuses a directory in the place of a tar.
func directory(out source.Output) error {
	fi, err := os.Stat(out.Path)
	if err != nil || !fi.IsDir() || out.Form == source.LayoutDir {
		return nil
	}
	return usagef("-o %s is a directory: -o oci:%s adds images to a layout there, -o %s writes a tar",
		out.Text, out.Path, strings.TrimRight(out.Path, "/\\")+".tar")
}

// compression reads --compress. Without it the end of the name of the file decides.
func (c call) compression(out source.Output) (pack.Kind, error) {
	kind := pack.Kind(c.String("compress"))
	if kind == "none" {
		return pack.None, nil
	}
	if c.IsSet("compress") {
		if err := guide.Choice("compress", string(kind)); err != nil {
			return "", err
		}
	}
	if out.Form == source.LayoutDir {
		if c.given("compress") {
			return "", usagef("--compress is for a tar, and -o %s is a layout", out.Text)
		}
		return pack.None, nil
	}
	byName, err := out.Compression()
	switch {
	case err != nil && kind == pack.None:
		return "", err
	case byName == pack.None || byName == kind:
		return kind, nil
	case c.given("compress"):
		return "", usagef("-o %s is called like a file in %s, and --compress %s contradicts it",
			out.Text, byName, kind)
	}
	c.note("%s: compressed with %s, as its name says (--compress none for a plain tar)", out.Path, byName)
	return byName, nil
}

// tags reads --tag, in full form and each name once. written is the name that stands in -o, if one does.
func (c call) tags(written string) ([]string, error) {
	var names []string
	given := c.StringSlice("tag")
	if written != "" {
		given = append(slices.Clone(given), written)
	}
	for _, text := range given {
		ref, err := registry.ParseTyped(text)
		if err == nil {
			err = source.RefuseHost(text)
		}
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

// layoutOutput reads -o of fetch.
func (c call) layoutOutput() (dir string, err error) {
	text := c.String("output")
	if text == "" {
		return "", usagef("fetch needs -o DIR, the layout that images go into: drayage fetch %s",
			guide.WithOutput(c.Args().Slice(), "images"))
	}
	out, err := source.ParseOutput(text)
	if err != nil {
		return "", err
	}
	if out.IsTar() {
		return "", c.saveInstead(out)
	}
	if out.Name != "" {
		return "", usagef("fetch keeps the names of images: give -o oci:%s, and then "+
			"drayage tag oci:%[1]s:NAME %s gives another one", out.Path, out.Name)
	}
	return out.Path, nil
}

// saveInstead says with which line save writes the tar that fetch does not write.
func (c call) saveInstead(out source.Output) error {
	const few = 3
	tar := terminal.ShellWord(out.Text)
	if n := c.NArg(); n == 0 || n > few || len(c.lists()) > 0 {
		return usagef("fetch fills a layout directory, and -o %s is a tar: drayage fetch ... -o images, "+
			"and then drayage save images -o %s", out.Text, tar)
	}
	return usagef("fetch fills a layout directory, and -o %s is a tar: drayage save %s writes it",
		out.Text, guide.WithOutput(c.Args().Slice(), out.Text))
}

// openHeld reads what a layout has that images go into. Under new names nothing is there yet.
func (s *saver) openHeld() {
	if s.out.Form != source.LayoutDir || len(s.names) > 0 {
		return
	}
	if dir, err := layout.OpenDir(s.out.Path); err == nil {
		s.held = fetch.HeldBy(dir)
		s.closes = append(s.closes, dir.Close)
	}
}

// intoLayout writes the images into a layout directory, as fetch does.
func (s *saver) intoLayout(ctx context.Context) error {
	dst, err := layout.CreateDir(ctx, s.out.Path)
	if err != nil {
		return fmt.Errorf("save into %w", err)
	}
	defer dst.Close()
	meter := s.newMeter("save", s.wire)
	opts := s.fetching()
	opts.Planned, opts.Progress = meter.Plan, meter.Update
	results := s.results()
	for _, r := range results {
		meter.NameImage(r.Reference.String(), &r.Image.Image)
	}
	results, err = fetch.Into(ctx, results, dst, opts)
	sum := meter.finish()
	if err != nil {
		err = fmt.Errorf("save into %s: %w", s.out.Path, err)
	} else {
		err = s.stored(results, sum)
	}
	if err != nil {
		dst.Discard(context.WithoutCancel(ctx)) // an empty layout is no result
		return err
	}
	if err := s.record.OfLayout(ctx, s.out.Path, untrusted(s.sourceOptions())); err != nil {
		return fmt.Errorf("save into %s: %w", s.out.Path, err)
	}
	s.saidRecord(s.record)
	return nil
}

// results are the images as they go into a layout, each once for every name.
func (s *saver) results() (all []fetch.Result) {
	for _, im := range s.images {
		all = append(all, fetch.Named(im)...)
	}
	return all
}

// stored says what has become of images that went into a layout.
func (s *saver) stored(results []fetch.Result, sum tally.Sum) error {
	dir, errs := s.out.Path, make([]error, len(results))
	doc := report.Document{Output: dir, Images: []report.Image{}, Transfer: transferred(sum),
		RecordFiles: s.record.Paths()}
	for i, r := range results {
		im := describeSaved(&r.Image.Image, r.Image.Names)
		if r.Err == nil {
			s.note("%s@%s (%s)", r.Reference.Name(), r.Image.Root.Digest, image.FormatPlatforms(r.Image.Platforms))
			s.noteBefore(r)
			im.Replaced = r.Replaced.Digest
		} else {
			if len(im.Names) == 0 {
				r.Err = fmt.Errorf("%w (--tag NAME:TAG gives one)", r.Err)
			}
			errs[i] = s.failed(fmt.Errorf("save %s: %w", im.Name, r.Err), len(results))
			im.OK, im.Error = false, s.reported(s.Context.Context, r.Err)
		}
		doc.Images = append(doc.Images, im)
	}
	if err := s.result(doc, nil); err != nil {
		return err
	}
	err := outcome(errs)
	if err == nil || sum.Moved > 0 {
		s.note("%s: %s", dir, sum)
	}
	return err
}
