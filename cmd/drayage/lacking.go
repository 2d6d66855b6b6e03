package main

import (
	"fmt"
	"strings"

	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/kind"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/internal/tell"
	"drayage/internal/terminal"
	"drayage/internal/want"
	"drayage/registry"
)

// shownMissing is how many missing blobs stand on a terminal. A list and a JSON result have all.
const shownMissing = 20

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
		return nil
	}
	if err := c.listMissing(l); err != nil {
		return err
	}
	err := kind.Errorf(registry.ErrNotFound, format, args...)
	if c.String("want-out") == "" {
		err = fmt.Errorf("%w; --want-out FILE lists them for save --want", err)
	}
	return err
}

// listMissing shows blobs that are missing, and keeps them for the result.
func (c call) listMissing(l *want.List) error {
	doc := report.Document{Source: strings.Join(c.Args().Slice(), " "), Missing: []report.Missing{}}
	var b strings.Builder
	fmt.Fprintf(&b, "# missing: %s", l)
	for i, blob := range l.Blobs {
		doc.Missing = append(doc.Missing, report.Missing{
			Digest: blob.Digest, SizeBytes: blob.Size, Images: blob.Images,
		})
		if i < shownMissing {
			fmt.Fprintf(&b, "\n%s  %s  %s", blob.Digest, terminal.Size(blob.Size), source.List(blob.Images))
		}
	}
	if more := len(l.Blobs) - shownMissing; more > 0 {
		fmt.Fprintf(&b, "\nand %d more", more)
	}
	c.tell.Say(tell.Line{Level: tell.Error, Event: "failed", Message: b.String()})
	if err := c.result(doc, nil); err != nil {
		return err
	}
	return c.writeWant(l)
}

// writeWant writes a list where the user wants it. The file appears when it is whole.
func (c call) writeWant(l *want.List) error {
	path := c.String("want-out")
	if path == "" {
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
