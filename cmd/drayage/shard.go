package main

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"drayage/fetch"
	"drayage/image"
	"drayage/internal/guide"
	"drayage/internal/report"
	"drayage/internal/shard"
	"drayage/internal/source"
	"drayage/internal/terminal"
	"drayage/registry"
	"drayage/upload"
)

func shardFlag() cli.Flag {
	return &cli.StringFlag{Name: "shard", Category: groupWhat,
		Usage: "take part `I/N` of the images only: each of N processes does its part; " +
			"N alone in the pods of a Kubernetes Indexed Job"}
}

// readShard reads --shard.
func (c call) readShard() (err error) {
	if c.IsSet("shard") {
		if c.shard, err = shard.Parse(c.String("shard"), os.LookupEnv); err != nil {
			return usagef("--shard %v", err)
		}
	}
	for _, flag := range []string{"shard-wait", "shard-look"} {
		if c.given(flag) && !c.IsSet("shard") {
			return usagef("--%s needs --shard I/N: it is about what the other shards send", flag)
		}
	}
	if wait := c.Duration("shard-wait"); wait < 0 {
		return usagef("--shard-wait %s: there is no waiting of less than 0", wait)
	}
	if c.IsSet("shard-look") {
		return guide.Choice("shard-look", c.String("shard-look"))
	}
	return nil
}

// shardPushFlags are those of commands that write into a registry.
func shardPushFlags() []cli.Flag {
	return []cli.Flag{
		shardFlag(),
		&cli.DurationFlag{Name: "shard-wait", Category: groupFast, Value: time.Minute,
			Usage: "with --shard: wait `TIME` at the end for layers that another shard sends, before they are " +
				"sent from here; 0 where shards run one after another"},
	}
}

func shardLookFlag() cli.Flag {
	return &cli.StringFlag{Name: "shard-look", Category: groupFast, Value: "uncounted",
		Usage: "with --shard: `uncounted|all|none`: read the manifests of the other shards' images too, so that " +
			"no layer is sent twice; uncounted leaves out Docker Hub, where they count as pulls"}
}

// share divides images into those of the shard of this process, and the others.
func (c call) share(refs []registry.Reference) (mine, others []registry.Reference) {
	mine, others = shard.Divide(c.shard, refs, registry.Reference.Recorded)
	c.saidShare(len(mine), len(refs))
	return mine, others
}

// shareFound is share for images of a layout or an archive. Each name of an image counts for itself. An image
// without a name goes by its digest.
func (c call) shareFound(images []*source.Image) (mine, others []*source.Image) {
	if c.shard.All() {
		return images, nil
	}
	all := eachName(images)
	mine, others = shard.Divide(c.shard, all, shardName)
	c.saidShare(len(mine), len(all))
	return mine, others
}

// shardName is what decides on the shard of an image that has one name at most.
func shardName(im *source.Image) string {
	if len(im.Names) == 0 {
		return im.Digest().String()
	}
	ref, err := registry.ParseReference(im.Names[0])
	if err != nil {
		return im.Names[0]
	}
	return ref.Recorded()
}

// eachName has every image once for each of its names.
func eachName(images []*source.Image) (all []*source.Image) {
	for _, im := range images {
		if len(im.Names) < 2 {
			all = append(all, im)
			continue
		}
		for _, n := range im.Names {
			one := *im
			one.Names = []string{n}
			all = append(all, &one)
		}
	}
	return all
}

// saidShare says how much of the work is for this process.
func (c call) saidShare(mine, all int) {
	if c.shard.All() {
		return
	}
	c.part = &report.Shard{Index: c.shard.Index, Count: c.shard.Count, Images: mine, Of: all}
	rest := ""
	if mine == 0 {
		rest = ": nothing to do"
	}
	c.note("%s: %s of %s images%s", c.shard, terminal.Number(mine), terminal.Number(all), rest)
}

// emptyShard is the result of a command whose shard has no image.
func (c call) emptyShard(doc report.Document) error {
	doc.Images = []report.Image{}
	if doc.DryRun = c.Bool("dry-run"); doc.DryRun {
		doc.Expected = &report.Expected{}
	} else {
		doc.Transfer = &report.Transfer{}
	}
	return c.result(doc, nil)
}

// sharing begins to gather what is known of the other shards of a push. It is nil where nobody needs it.
func (p *pusher) sharing() *upload.Sharing {
	if p.shard.All() || p.Bool("dry-run") || len(p.placed.Targets) == 0 {
		return nil
	}
	s := upload.NewSharing(p.shard.Index)
	if s.Wait = p.Duration("shard-wait"); s.Wait == 0 {
		s.Wait = -1
	}
	s.Waiting = func(shard, blobs int) {
		p.note("waiting for %s that shard %d sends", terminal.Count(blobs, "blob"), shard)
	}
	s.Missing = func(shard, blobs int) {
		p.note("note: nothing comes from shard %d: %s sent from here", shard,
			terminal.Count(blobs, "blob")+map[bool]string{true: " is", false: " are"}[blobs == 1])
	}
	s.Enter(p.placed.Targets)
	return s
}

// seeFound looks at the images of other shards in a layout or archive. What is wrong with one of them is the
// affair of its shard.
func (p *pusher) seeFound(ctx context.Context, dest upload.Destination, others []*source.Image) {
	if p.opts.Sharing = p.sharing(); p.opts.Sharing == nil {
		return
	}
	for _, im := range others {
		names := im.Names
		if len(names) == 0 && im.Tag != "" && !dest.IsPrefix() {
			names = []string{im.Tag}
		}
		if im.Saved != nil || len(names) == 0 || ctx.Err() != nil {
			continue
		}
		at, err := dest.Place(names[0])
		if err != nil {
			continue
		}
		seen, err := im.Peek(ctx, p.sel)
		if err == nil && p.Bool("referrers") {
			seen.Referrers, err = im.Referrers(ctx, seen)
		}
		if err == nil {
			p.see(shardName(im), at.Repository, seen)
		}
	}
}

// see enters an image of another shard, by the name that decides on the shard.
func (p *pusher) see(name, repository string, im *image.Image) {
	of := shard.Of(name, p.shard.Count)
	p.opts.Sharing.See(of, repository, im.Travelling(), false)
	for _, r := range im.Referrers {
		p.opts.Sharing.See(of, repository, r.Travelling(), true)
	}
}

// window is how many images of other shards are looked at before they are forgotten.
const window = 500

// seeNamed is seeFound for images in registries.
func (p *pusher) seeNamed(ctx context.Context, others []registry.Reference, opts fetch.Options) {
	look := p.String("shard-look")
	others = slices.DeleteFunc(slices.Clone(others), func(ref registry.Reference) bool {
		return look == "none" || look != "all" && ref.Registry == "docker.io"
	})
	if p.opts.Sharing = p.sharing(); p.opts.Sharing == nil {
		return
	}
	opts.Finished, opts.Explain = nil, nil
	for some := range slices.Chunk(others, window) {
		for _, r := range fetch.Resolve(ctx, p.client, some, opts) {
			if at := p.copyAt(r.Reference); r.Err == nil && at.Repository != "" {
				p.see(r.Reference.Recorded(), at.Repository, &r.Image.Image)
			}
		}
	}
}
