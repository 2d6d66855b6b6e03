package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"drayage/internal/source"
	"drayage/registry"
	"drayage/upload"
)

// basesFlag is --base: places that have blobs of the images already.
func basesFlag(usage string) cli.Flag {
	return &cli.StringSliceFlag{Name: "base", Category: groupWhere, Usage: usage}
}

// bases reads --base. Stores are layouts and archives. The tag of a repository says where a push looks first.
func (c call) bases() (stores []source.Spec, repositories []registry.Reference, err error) {
	for _, text := range c.StringSlice("base") {
		spec, err := c.parseSource(text)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("--base: %w", c.about(err))
		case spec.Kind == source.Stdin:
			return nil, nil, usagef("--base %s: a base is a repository, a layout or the file of an archive", text)
		case spec.Kindless() != "":
			return nil, nil, usagef("--base %s: did you mean %s?", text, spec.Kindless())
		case spec.Kind == source.Registry:
			repositories = append(repositories, spec.Ref)
		default:
			stores = append(stores, spec)
		}
	}
	return stores, repositories, nil
}

// useBases takes the repositories of --base, which are in the registry that is pushed to.
func (p *pusher) useBases(context.Context) error {
	stores, repositories, err := p.bases()
	if err != nil {
		return err
	}
	if len(stores) > 0 {
		return usagef("--base %s: push takes repositories of the registry that it pushes to", stores[0].Text)
	}
	for _, ref := range repositories {
		if ref.Registry != p.dest.Registry() {
			return usagef("--base %s: it is not in %s, the registry that push pushes to",
				ref.Name(), p.dest.Registry())
		}
		base := upload.Base{Repository: p.client.Repository(ref), Tag: ref.Tag}
		p.opts.Bases = append(p.opts.Bases, base)
	}
	return nil
}
