package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"drayage/internal/kind"
	"drayage/internal/record"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/registry"
)

func recordFlag(what string) cli.Flag {
	return &cli.StringFlag{Name: "record", Category: groupOutput, Usage: what}
}

// recordUsage is of verbs that write a record.
const recordUsage = "also write a record of what is in it, to sign and to compare: `FILE` ends in .html or " +
	".json, and both a page and the same as JSON are written"

// saidRecord says where a record is.
func (c call) saidRecord(out *record.Output) {
	if paths := out.Paths(); len(paths) > 0 {
		c.note("record: %s and %s", terminal.ShellWord(paths[0]), terminal.ShellWord(paths[1]))
	}
}

// record writes the record of what has been opened.
func (l *looker) record(ctx context.Context) (*record.Output, error) {
	out, err := record.Create(l.String("record"), l.set.Spec.Path)
	if err != nil || out == nil {
		return nil, err
	}
	defer out.Abort()
	if err := out.Fill(ctx, l.set); err != nil {
		return nil, err
	}
	referrer := func(im *source.Image) bool { return im.Referrer }
	l.set.Images = slices.DeleteFunc(l.set.Images, referrer) // shown with what they belong to
	return out, out.Commit()
}

// options are those with which SOURCE is opened. They read the record.
func (v *verifier) options(spec source.Spec) (opts source.Options, err error) {
	opts = v.sourceOptions()
	opts.Tolerant, opts.Referrers, opts.Partial = true, true, true
	if name := v.String("record"); name != "" {
		if spec.Name != "" {
			return opts, usagef("--record compares a whole archive or layout: name no image")
		}
		if v.recorded, err = record.Open(name); err != nil {
			return opts, fmt.Errorf("verify: --record: %w", err)
		}
		if err = v.noteRedrawn(name); err != nil {
			return opts, fmt.Errorf("verify: --record: %w", err)
		}
		opts.Sum = true
	}
	return opts, nil
}

// noteRedrawn tells of a page that may show something else than its JSON says, which is what is compared.
func (v *verifier) noteRedrawn(name string) error {
	redrawn, err := record.Redrawn(name, v.recorded)
	if redrawn {
		v.note("note: what %s shows is not what its JSON gives, and the JSON is compared: somebody has changed "+
			"the page, or another version of drayage has made it", terminal.ShellWord(name))
	}
	return err
}

// differs is the error about differences from the record.
func (v *verifier) differs() error {
	if v.unlike != nil {
		return v.unlike
	}
	name, n := v.String("record"), len(v.differences)
	if n > 0 {
		return kind.Errorf(registry.ErrIntegrity, "verify %s: it is not what %s records: %s",
			v.set.Spec.Text, name, terminal.Count(n, "difference"))
	}
	if v.recorded != nil {
		v.note("it is what %s records", terminal.ShellWord(name))
	}
	return nil
}
