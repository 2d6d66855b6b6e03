package main

import (
	"fmt"
	"strings"

	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/kind"
	"drayage/internal/report"
	"drayage/internal/tell"
	"drayage/internal/terminal"
	"drayage/internal/want"
	"drayage/registry"
)

// What stands of missing blobs on a terminal. A list and a JSON result have all.
const (
	shownMissing = 20 // blobs
	shownNames   = 3  // images that need one
)

// calledAs is what an image is called in a list of blobs.
func calledAs(im *image.Image) []string {
	if len(im.Names) > 0 {
		return im.Names
	}
	return []string{im.Root.Digest.String()}
}

// lacking is the error about blobs that are nowhere to be had, or nil if there are none. It shows the first
// of them, and writes all into the file that the user wants.
func (c call) lacking(l *want.List, format string, args ...any) error {
	if len(l.Blobs) == 0 {
		return c.writeWant(l)
	}
	doc := report.Document{Source: strings.Join(c.Args().Slice(), " "), Missing: missingBlobs(l)}
	if err := c.result(doc, nil); err != nil {
		return err
	}
	return c.lackingError(l, format, args...)
}

// lackingError is the error about blobs that are nowhere to be had, which it shows.
func (c call) lackingError(l *want.List, format string, args ...any) error {
	c.showMissing(l)
	if err := c.writeWant(l); err != nil {
		return err
	}
	err := kind.Errorf(registry.ErrNotFound, format, args...)
	if c.String("want-out") == "" {
		err = fmt.Errorf("%w; --want-out FILE lists them for save --want", err)
	}
	return err
}

// missingBlobs are the blobs of a list for a result.
func missingBlobs(l *want.List) []report.Missing {
	all := []report.Missing{}
	for _, b := range l.Blobs {
		m := report.Missing{Digest: b.Digest, SizeBytes: b.Size, Images: b.Images}
		for _, base := range b.Lost {
			m.Bases = append(m.Bases, report.Base{Digest: base.Digest, DiffID: base.DiffID, SizeBytes: base.Size})
		}
		all = append(all, m)
	}
	return all
}

// wouldDo says what --base would have to have.
func wouldDo(l *want.List) string {
	for _, b := range l.Blobs {
		if len(b.Lost) > 0 {
			return "--base X names an archive, a layout or a repository that has them, or what they are patches of"
		}
	}
	return "--base X names an archive, a layout or a repository that has them"
}

// showMissing shows the first blobs of a list.
func (c call) showMissing(l *want.List) {
	var b strings.Builder
	fmt.Fprintf(&b, "# missing: %s", l)
	for _, blob := range l.Blobs[:min(len(l.Blobs), shownMissing)] {
		names := strings.Join(blob.Images[:min(len(blob.Images), shownNames)], ", ")
		if more := len(blob.Images) - shownNames; more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		fmt.Fprintf(&b, "\n%s  %s  %s", blob.Digest, terminal.Size(blob.Size), names)
		for _, base := range blob.Lost {
			fmt.Fprintf(&b, "\n  inside is a patch of %s, which unpacks to %s", base.Digest, base.DiffID)
		}
	}
	if more := len(l.Blobs) - shownMissing; more > 0 {
		fmt.Fprintf(&b, "\nand %d more", more)
	}
	c.tell.Say(tell.Line{Level: tell.Error, Event: "failed", Message: b.String()})
}

// writeWant writes a list where the user wants it. The file appears when it is whole.
func (c call) writeWant(l *want.List) error {
	path := c.String("want-out")
	switch {
	case path == "":
		return nil
	case len(l.Blobs) == 0:
		c.note("nothing is missing: %s is not written", path)
		return nil
	}
	f, err := durable.CreateOutput(path)
	if err != nil {
		return fmt.Errorf("--want-out: %w", err)
	}
	defer f.Abort()
	if err := l.Write(f); err != nil {
		return fmt.Errorf("--want-out %s: %w", path, err)
	}
	if err := f.Commit(); err != nil {
		return fmt.Errorf("--want-out %s: %w", path, err)
	}
	c.note("%s: lists %s; drayage save SOURCE --want %s -o FILE answers it", path, l, terminal.ShellWord(path))
	return nil
}
