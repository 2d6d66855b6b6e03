package main

import (
	"context"
	"fmt"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/forecast"
	"drayage/internal/report"
	"drayage/layout"
	"drayage/registry"
)

// dryRun gathers what a command would move.
type dryRun struct {
	call
	forecast.Summary
	images []report.Image // each with the rows that table has of it, if it has not failed
	told   *imagesTold
	errs   []error

	sources map[string]string // what images are copied from, by what they are called where they go
}

func (c call) newDryRun(told *imagesTold) (*dryRun, error) {
	rate, err := bytesPerSecond(c.Context)
	return &dryRun{call: c, told: told, Summary: forecast.Summary{Table: &forecast.Table{}, Rate: rate}}, err
}

// add enters an image, or why it would fail.
func (d *dryRun) add(im report.Image, parts []forecast.Part, err error) {
	if im.OK = err == nil; err != nil {
		im.Error = d.reported(d.Context.Context, err)
		err = d.told.failure(im.Name, d.sources[im.Name], err)
	} else {
		d.Add(im.Name, parts)
		im.Forecast = d.Table.Images[len(d.Table.Images)-1].Of()
	}
	d.images, d.errs = append(d.images, im), append(d.errs, err)
}

// end shows what has been gathered. A disk with too little room is the error that the command would meet.
func (d *dryRun) end(doc report.Document, disks ...forecast.Disk) error {
	d.Disks = disks
	doc.DryRun, doc.Images, doc.Expected = true, append([]report.Image{}, d.images...), d.Document()
	var lines []string
	if len(d.Table.Images) > 0 {
		lines = d.Lines(d.narrow())
	}
	if err := d.result(doc, lines); err != nil {
		return err
	}
	d.told.again("failed:", len(d.images), func(i int) (string, error) { return d.images[i].Name, d.errs[i] })
	d.note("dry run: nothing has moved, and nothing was written")
	for _, disk := range disks {
		if err := disk.Room(); err != nil {
			return err
		}
	}
	return outcome(d.errs)
}

// forecastFetch says what a fetch would move.
func (c call) forecastFetch(
	ctx context.Context, client *registry.Client, refs []registry.Reference, dir string, opts fetch.Options,
) error {
	dst, err := layout.LookDir(dir)
	if err != nil {
		return fmt.Errorf("fetch into %w", err)
	}
	if dst != nil {
		defer dst.Close()
	}
	d, err := c.newDryRun(c.tellImages("fetch", len(refs)))
	if err != nil {
		return err
	}
	f := fetch.Forecast{Layout: dst, Tell: d.fetched}
	if err := f.Images(ctx, client, refs, opts); err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	disk, err := forecast.NewDisk(dir, d.Sum.Move, d.Largest)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	if err = d.end(report.Document{Output: dir}, disk); durable.DiskFailed(err) {
		return fmt.Errorf("fetch: %w", err)
	}
	return err
}

// fetched enters an image that would go into a layout.
func (d *dryRun) fetched(r fetch.Result, moves []image.Move) {
	im := report.Image{Name: r.Reference.String()}
	if r.Err != nil {
		d.add(im, nil, r.Err)
		return
	}
	im.Digest, im.MediaType = r.Image.Root.Digest, r.Image.Root.MediaType
	im.Platforms, im.Rewritten = report.Platforms(r.Image.Platforms), r.Image.Rewritten
	d.add(im, forecast.Parts(&r.Image.Image, moves), nil)
	d.notePassed(im.Name, r.Image.Platforms, r.Image.Passed)
	if r.Image.Schema1 != "" {
		d.note("note: %s is in Docker's old schema 1 and would be converted", im.Name)
	}
}
