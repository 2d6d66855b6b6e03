package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"drayage/image"
	"drayage/internal/farside"
	"drayage/internal/source"
	"drayage/internal/want"
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
			return nil, nil, c.aboutFlag("base", err)
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

// useBases reads --base of push. Layers of docker tars and what was left out of an archive may be in other
// repositories of the registry that is pushed to; what was left out may be in any other place too.
func (p *pusher) useBases(context.Context) error {
	stores, repositories, err := p.bases()
	if err != nil {
		return err
	}
	for _, ref := range repositories {
		if ref.Registry != p.dest.Registry() {
			stores = append(stores, specsOf([]registry.Reference{ref})...)
			continue
		}
		base := upload.Base{Repository: p.client.Repository(ref), Tag: ref.Tag}
		p.opts.Bases = append(p.opts.Bases, base)
	}
	p.stores = stores
	return nil
}

// gather looks for what was left out of the images: at the destination, and in the bases. If something is
// nowhere, it says so, and nothing is pushed.
func (p *pusher) gather(ctx context.Context) error {
	images := p.taken()
	if len(farside.Lacking(images)) == 0 {
		if len(p.stores) > 0 {
			p.note("note: nothing was left out of %s: --base %s is not needed", p.Args().First(), p.stores[0].Text)
		}
		return nil
	}
	for _, im := range images {
		p.noteContent(im)
	}
	bases, err := p.openStores(ctx)
	if err != nil {
		return err
	}
	p.opts.AskOnly = p.Bool("dry-run")
	made, src := farside.Rebuilt(images, p.tempDir(), bases, upload.NewBaseFinder(p.placed.Targets, p.opts))
	p.closes = append(p.closes, func() { src.Close() })
	var stores []upload.Store
	for _, b := range append(bases, made) {
		stores = append(stores, b)
	}
	lost, err := upload.Gather(ctx, p.placed.Targets, p.opts, stores)
	if err != nil {
		return fmt.Errorf("what was left out: %w", err)
	}
	if err := p.restorer.remake(ctx, lost); err != nil {
		return err
	}
	missing := want.Missing(images, calledAs)
	missing.Keep(lost)
	if p.restorer != nil && len(p.restorer.originals) > 0 {
		return p.restorer.lacking(missing)
	}
	if err := farside.Explain(ctx, missing, src); err != nil {
		return err
	}
	return p.lacking(missing, "%s left out of the archive, and not found at %s nor in a base: "+
		"nothing is pushed; "+wouldDo(missing), missing.Were(), p.dest)
}

// taken are the images of all targets, each once.
func (p *pusher) taken() (images []*image.Image) {
	seen := map[*image.Image]bool{}
	for _, t := range p.placed.Targets {
		if t.Image != nil && !seen[t.Image] {
			seen[t.Image] = true
			images = append(images, t.Image)
		}
	}
	return images
}

// openStores opens the bases that are not in the registry that is pushed to.
func (p *pusher) openStores(ctx context.Context) ([]farside.Base, error) {
	opts := untrusted(p.sourceOptions())
	opts.Client = func(registry.Reference) (*registry.Client, error) { return p.client, nil }
	bases, closes, err := openBases(ctx, p.stores, opts)
	p.closes = append(p.closes, closes)
	return bases, err
}

// openBases opens bases to read blobs from. The caller calls closes in the end, also after an error.
func openBases(
	ctx context.Context, specs []source.Spec, opts source.Options,
) (all []farside.Base, closes func(), err error) {
	var opened []func()
	closes = func() {
		for _, f := range slices.Backward(opened) {
			f()
		}
	}
	for _, spec := range specs {
		bases, done, err := farside.OpenBase(ctx, spec, opts)
		opened = append(opened, done)
		if err != nil {
			return nil, closes, fmt.Errorf("--base %s: %w", spec.Text, spec.Explain(err))
		}
		all = append(all, bases...)
	}
	return all, closes, nil
}

// inBases looks for what was left out of the images of a set, which are read from src, in what --base names.
// The caller calls closes when everything has been read, also after an error.
func (c call) inBases(
	ctx context.Context, set *source.Set, src image.Source, opts source.Options,
) (found farside.Found, closes func(), err error) {
	stores, repositories, err := c.bases()
	if err != nil {
		return found, func() {}, err
	}
	var client *registry.Client
	opts.Client = func(registry.Reference) (_ *registry.Client, err error) {
		if client == nil {
			client, err = c.newClient(hosts(repositories), false)
		}
		return client, err
	}
	bases, done, err := openBases(ctx, append(stores, specsOf(repositories)...), opts)
	closes = func() {
		found.Close()
		done()
		if client != nil {
			client.Close()
		}
	}
	if err == nil {
		found, err = farside.Search(ctx, set, src, bases, opts.TempDir)
	}
	return found, closes, err
}

// specsOf are repositories as places to read from.
func specsOf(repositories []registry.Reference) (specs []source.Spec) {
	for _, ref := range repositories {
		specs = append(specs, source.Spec{Text: ref.Name(), Kind: source.Registry, Ref: ref})
	}
	return specs
}

func (p *pusher) close() {
	for _, f := range slices.Backward(p.closes) {
		f()
	}
	p.client.Close()
}
