package main

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"drayage/dockerarchive"
	"drayage/fetch"
	"drayage/image"
	"drayage/internal/cut"
	"drayage/internal/durable"
	"drayage/internal/forecast"
	"drayage/internal/pack"
	"drayage/internal/report"
	"drayage/internal/source"
	"drayage/layout"
)

// forecast says what a save would move.
func (s *saver) forecast(ctx context.Context) error {
	d, err := s.newDryRun(s.tellImages("save", len(s.images)+len(s.old)))
	if err != nil {
		return err
	}
	if s.out.Form == source.LayoutDir {
		err = s.forecastLayout(ctx, d)
	} else {
		err = s.forecastTar(ctx, d)
	}
	if err != nil {
		return fmt.Errorf("save %s: %w", s.out.Path, s.brokenOff(err))
	}
	return nil
}

// forecastLayout says what would go into a layout.
func (s *saver) forecastLayout(ctx context.Context, d *dryRun) error {
	dst, err := layout.LookDir(s.out.Path)
	if err != nil {
		return err
	}
	if dst != nil {
		defer dst.Close()
	}
	f := fetch.Forecast{Layout: dst, Tell: func(r fetch.Result, moves []image.Move) {
		d.add(describeSaved(&r.Image.Image, r.Image.Names), forecast.Parts(&r.Image.Image, moves), r.Err)
	}}
	if err := f.Into(ctx, s.results()); err != nil {
		return err
	}
	d.schema1(s.old)
	disk, err := forecast.NewDisk(s.out.Path, d.Sum.Move, d.Largest)
	if err != nil {
		return err
	}
	return d.end(report.Document{Output: s.out.Path}, disk)
}

// forecastTar says what would go into a tar.
func (s *saver) forecastTar(ctx context.Context, d *dryRun) error {
	inOrder := s.out.Path == "-" || durable.InOrder(s.out.Path)
	var left dockerarchive.Left
	held := int64(0)
	if !inOrder {
		if err := durable.Writable(s.out.Path); err != nil {
			return err
		}
		if s.resumes() {
			left = func(plan []byte, sizes []int64) []int64 { return s.leftOver(plan, sizes, &held) }
		}
	}
	size, bound := int64(0), ""
	if len(s.images) > 0 {
		ends := !inOrder || s.format.Whole() || len(s.pulled) == 0
		f, err := dockerarchive.Foresee(ctx, s.format, s.images, left, ends)
		if err != nil {
			return err
		}
		for _, im := range s.images {
			d.add(describeSaved(im, im.Names), forecast.Parts(im, f.Moves(im)), nil)
		}
		if size = f.Size; f.AtLeast {
			bound = forecast.AtLeast
		}
	}
	if d.schema1(s.old); len(s.old) > 0 {
		bound = forecast.AtLeast
	}
	disks, err := s.cutDisks(s.disks(d, size, bound, inOrder), held)
	if err != nil {
		return err
	}
	return d.end(report.Document{Output: s.out.Path}, disks...)
}

// leftOver tells what an earlier run has left of each part of the tar, and its sum.
func (s *saver) leftOver(plan []byte, sizes []int64, sum *int64) (left []int64) {
	if s.cuts != nil {
		left = cut.Left(s.out.Path, s.cuts.Volume, plan, sizes)
	} else {
		left = durable.Left(s.out.Path, plan, sizes)
	}
	for _, n := range left {
		*sum += n
	}
	return left
}

// resumes reports whether the same command goes on with a file that was broken off.
func (s *saver) resumes() bool {
	return s.format.Whole() && s.compress == pack.None && len(s.pulled) > 0
}

// disks is the room that a tar of so many bytes needs.
func (s *saver) disks(d *dryRun, size int64, bound string, inOrder bool) (all []forecast.Disk) {
	add := func(path string, needed int64, bound string) {
		if disk, err := forecast.NewDisk(path, needed, needed); err == nil {
			disk.Bound = bound
			all = append(all, disk)
		}
	}
	blobs := d.Sum.Total - s.left.Left.Bytes
	switch {
	case inOrder:
	case s.compress != pack.None:
		add(s.out.Path, blobs, forecast.About)
	default:
		add(s.out.Path, size, bound)
	}
	byLayout := inOrder || s.compress != pack.None && bound != "" // what a layer unpacks to is not known before
	if byLayout && !s.format.Whole() && len(s.pulled) > 0 {
		add(cmp.Or(s.tempDir(), os.TempDir()), blobs, "")
	}
	return all
}

// schema1 enters images in Docker's schema 1: their layers are read once to find out what is in them, and
// once to be written.
func (d *dryRun) schema1(images []fetch.Result) {
	for _, r := range images {
		var moves []image.Move
		for _, b := range r.Image.Blobs {
			moves = append(moves, image.Move{Blob: b, Again: b.Size})
		}
		d.note("note: %s is in Docker's old schema 1, which does not say what is in its layers: "+
			"they would be read twice", r.Reference)
		d.add(report.Image{Name: r.Reference.String()}, forecast.Parts(&r.Image.Image, moves), nil)
	}
}
