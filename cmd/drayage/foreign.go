package main

import (
	"errors"
	"io/fs"
	"net/http"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"drayage/engineconfig"
	"drayage/image"
	"drayage/layout"
	"drayage/registry"
)

func foreignFlag() cli.Flag {
	return &cli.BoolFlag{Name: "foreign-urls", Usage: "fetch foreign layers that the registry does not have from the URLs in their manifest, without credentials"}
}

// foreignTransport is for what --foreign-urls allows. Whoever trusts a registry without its certificate does not trust
// the whole world so.
func foreignTransport(c *cli.Context, hosts *engineconfig.Hosts) http.RoundTripper {
	if !c.Bool("foreign-urls") {
		return nil
	}
	config := hosts.TLS.Clone()
	config.InsecureSkipVerify = false
	return registry.NewForeignTransport(config, hosts.Limit)
}

// foreignHere is the error about a foreign layer of the image that a layout does not have: a tar without it loads nowhere.
func foreignHere(dir *layout.Layout, g *image.Graph) error {
	for _, d := range g.Blobs {
		if !image.IsForeign(d.MediaType) {
			continue
		}
		if _, err := dir.Stat(d.Digest); errors.Is(err, fs.ErrNotExist) {
			return registry.NewForeignError(d)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// noteForeign says of foreign layers that are pushed what becomes of them, each once.
func (p *pusher) noteForeign(here []v1.Descriptor, absent []image.Absent) {
	for _, a := range absent {
		d := a.Descriptor
		if p.told(d) {
			p.env.note(p.c, "note: foreign layer %s is not here and stays out of the registry: who pulls the image gets it from the URLs in its manifest", d.Digest)
		}
	}
	for _, d := range here {
		if p.told(d) {
			p.env.note(p.c, "note: foreign layer %s (%s) is pushed like any other: make sure that its licence lets you", d.Digest, size(d.Size))
		}
	}
}

// told reports whether a layer is met for the first time.
func (p *pusher) told(d v1.Descriptor) bool {
	before := p.foreign[d.Digest]
	p.foreign[d.Digest] = true
	return !before
}
