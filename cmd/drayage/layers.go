package main

import (
	"cmp"

	"github.com/urfave/cli/v2"

	"drayage/internal/guide"
	"drayage/upload"
)

func reuseFlag() cli.Flag {
	return &cli.StringFlag{Name: "reuse", Category: groupWhat, Value: string(upload.ReuseChecked),
		Usage: "`check|trust|none`: push layers of a docker tar as DEST has them: once read and compared; " +
			"unread, for slow links; or never, for the same digests in every registry"}
}

// reuse reads --reuse. A registry that says what is not so is told of.
func (c call) reuse(opts *upload.Options) error {
	how := cmp.Or(c.String("reuse"), string(upload.ReuseChecked)) // copy has no such flag
	if err := guide.Choice("reuse", how); err != nil {
		return err
	}
	opts.Reuse = upload.Reuse(how)
	warn := c.warning()
	opts.Warn = func(err error) { warn(err.Error()) }
	return nil
}

// packing reads --compression and --compression-level.
func (c call) packing() (upload.Compression, error) {
	p := upload.Compression{Kind: c.String("compression"), Level: c.Int("compression-level")}
	if err := guide.Choice("compression", p.Kind); err != nil {
		return p, err
	}
	if c.IsSet("compression-level") && p.Level == 0 {
		p.Level = -1 // no level at all
	}
	if err := p.Check(); err != nil {
		return p, usagef("%v", err)
	}
	return p, nil
}
