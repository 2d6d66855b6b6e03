// Package fetch brings images from registries into an OCI layout. [Resolve] finds out what images consist
// of, and [Into] brings them, each blob once and verified. [Images] does both. An image gets its name in
// the layout when all of it is there.
package fetch

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/durable"
	"drayage/internal/limits"
	"drayage/internal/transfer"
	"drayage/layout"
	"drayage/registry"
)

// Options say what of each image is wanted, and how it is brought. The zero value means the default
// platform, and nobody is told anything.
type Options struct {
	All       bool          // every platform, the index unchanged
	Platforms []v1.Platform // the wanted ones; none means linux on this machine's architecture
	Referrers bool          // signatures, SBOMs and whatever else belongs to the images too
	Jobs      int           // blobs that move at once; 0 means 8

	// There returns where a copy of an image may be. If that name stands for the same image there, its
	// manifests are read there: registries count the manifests that are pulled, and no questions. nil, or a
	// zero Reference: nowhere.
	There func(registry.Reference) registry.Reference

	// Explain may say more of the error with which a repository has refused to resolve a name. nil: it stays.
	Explain func(context.Context, *registry.Repository, registry.Reference, error) error

	// Resolved is told of each image that is about to be brought, before Planned. Of an image in Docker's schema
	// 1 the manifest is not known yet.
	Resolved func(*Image)
	// Planned is called once, before anything is transferred, with every blob that the images
	// consist of, each once. [Images] and [Into] may call it again.
	Planned func(blobs []v1.Descriptor)
	// Finished is told of each image once: as soon as it is complete and has its name in the layout, or has
	// failed. [Resolve] tells of those that fail only. It is called by one goroutine at a time, and other
	// images wait for it. It is not told of what the end of ctx or a full disk leaves unfinished, nor of what
	// other programs take out of the layout afterwards: the results hold that too.
	Finished func(Result)
	// Progress is told how many bytes of a blob are in the layout: first what is there before anything is
	// transferred, which may prove wrong. It is called concurrently and must return at once.
	Progress func(blob v1.Descriptor, held int64)

	// Later leaves the configuration of an image without an index unread where nobody asks for its platform:
	// see image.Selection. [Images] does that always.
	Later bool

	// Brief keeps little in the results of [Images] of each image that is there: its graph is as
	// [image.Graph.Brief] says, and it has no referrers. Finished is told of the whole image before. It is for
	// very many images.
	Brief bool

	// Held is what the layout has already, if images are resolved for one. Platforms that it has of an image
	// stay. Images needs no Held: it reads its layout.
	Held *Held
}

// Image is a resolved image and where it was found.
type Image struct {
	image.Image
	Reference registry.Reference

	// IndexReferrers are the referrers of the index that the name stands for, and theirs in turn, if they were
	// asked for and do not travel because only some of its platforms do.
	IndexReferrers []digest.Digest

	// Schema1 is set if the registry has the image in Docker's schema 1, and is the digest by which the
	// registry knows it. The image has been converted then: its manifest has another digest.
	Schema1 digest.Digest

	joining     *joining     // nil if no platform joins it
	unconverted *unconverted // in schema 1; nil once it has been converted
}

// Result is the outcome for one image.
type Result struct {
	Reference registry.Reference
	Image     *Image        // nil if it could not be resolved
	Replaced  v1.Descriptor // what the name referred to in the layout before, if it was something else
	There     bool          // the copy that Options.There names is the same image
	Err       error
}

// window is how many images [Images] resolves before it brings them. It bounds what is in memory of their
// manifests, and how long it takes until the first of very many images is there.
const window = 1000

// Images brings images into dst and names them there. A platform joins those that dst has of the same index
// under the same name. It is [Resolve] and [Into] in one. It does that by
// turns if there are very many images: Options.Planned is then called several times, with what comes next.
func Images(
	ctx context.Context, c *registry.Client, refs []registry.Reference, dst *layout.Dir, opts Options,
) (results []Result, err error) {
	named := twins{}
	opts = opts.inTurn()
	results = make([]Result, 0, len(refs))
	for part := range slices.Chunk(refs, window) {
		if err != nil {
			for _, ref := range part {
				results = append(results, Result{Reference: ref, Err: err})
			}
			continue
		}
		opts.Held = HeldBy(dst)
		sel := image.Selection{All: opts.All, Platforms: opts.Platforms, Later: true}
		var more []Result
		more, err = into(ctx, resolveAll(ctx, c, part, sel, opts), dst, opts, named)
		for _, r := range more {
			if opts.Brief && r.Err == nil {
				r.Image = r.Image.brief()
			}
			results = append(results, r)
		}
	}
	return results, err
}

// brief is what a result needs of an image that is there.
func (im *Image) brief() *Image {
	return &Image{
		Image:     image.Image{Graph: im.Graph.Brief(), Source: im.Source, Names: im.Names},
		Reference: im.Reference, IndexReferrers: im.IndexReferrers, Schema1: im.Schema1,
	}
}

// Into brings images that have been resolved into dst and names them there. One that fails, or that could
// not be resolved, does not stop the others. The results are in the order of resolved. An image that has been
// named is read from dst from then on, and no more from its registry. The error is that of ctx, if it has
// ended, or says that the disk takes nothing more.
//
// Very many images are brought by turns, as [Images] does. Whether there is room for all is asked before.
func Into(
	ctx context.Context, resolved []Result, dst *layout.Dir, opts Options,
) (results []Result, err error) {
	results, opts = slices.Clone(resolved), opts.inTurn()
	named := twins{}
	named.refuse(results, func(r *Result) { opts.finished(ctx, r) })
	if len(results) > window {
		if err := roomFor(results, dst); err != nil {
			return results, err
		}
	}
	for part := range slices.Chunk(results, window) {
		if err == nil {
			_, err = into(ctx, part, dst, opts, named)
			continue
		}
		for i := range part {
			part[i].Err = cmp.Or(part[i].Err, err)
		}
	}
	return results, err
}

func into(
	ctx context.Context, results []Result, dst *layout.Dir, opts Options, named twins,
) ([]Result, error) {
	named.refuse(results, func(r *Result) { opts.finished(ctx, r) })
	var images []*Result
	for i := range results {
		if r := &results[i]; r.Err == nil {
			images = append(images, r)
		}
	}
	return results, bring(ctx, images, dst, opts)
}

// bring transfers the blobs of images, each once, and commits each image as soon as its last blob is there.
func bring(ctx context.Context, images []*Result, dst *layout.Dir, opts Options) error {
	plan := newPlan(images)
	if err := dst.Room(plan.Blobs()); err != nil {
		return err
	}
	var entries []layout.Entry
	for _, r := range images {
		entries = append(entries, r.entries()...)
	}
	if err := dst.Fits(entries); err != nil {
		return err
	}
	if err := dst.Claim(ctx, partsOf(images)); err != nil {
		return err
	}
	opts.begin(images, plan.Blobs(), dst)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	committer := newCommitter(ctx, dst, len(images), opts)
	plan.Begin(func(r *Result, err error) { committer.add(ctx, r, err) })
	push := func(ctx context.Context, j transfer.Job[wanted]) error {
		err := dst.Push(ctx, j.Blob, j.Source, opts.report(j.Blob))
		if durable.DiskFailed(err) {
			stop(err) // no other blob would fare better
		}
		if report := opts.report(j.Blob); err == nil && report != nil {
			report(j.Blob.Size) // several streams do not report in order
		}
		if err == nil {
			learn(ctx, plan.Users(j.Key), dst, j.Blob)
		}
		return err
	}
	transfer.Run(ctx, plan.Jobs(), opts.Jobs, push, plan.Done)
	committer.close()
	committer.recheck(ctx, images)
	for _, r := range images {
		if r.Err == nil {
			r.keep(ctx, dst)
		}
	}
	return context.Cause(ctx)
}

// partsOf lists all that images consist of.
func partsOf(images []*Result) (all []v1.Descriptor) {
	for _, r := range images {
		for _, im := range r.Image.withReferrers() {
			all = append(all, im.Parts()...)
		}
	}
	return all
}

// Referrers finds what belongs to an image in its repository and, in turn, to that. What has no subject of
// its own is found by the tags that cosign gives it.
func Referrers(ctx context.Context, repo *registry.Repository, im *image.Image) ([]*image.Image, error) {
	return image.Referrers(ctx, im, func(ctx context.Context, subject digest.Digest) ([]*image.Image, error) {
		return referrersOf(ctx, repo, subject)
	})
}

// allReferrerDigests lists what belongs to a manifest and, in turn, to that, each once.
func allReferrerDigests(
	ctx context.Context, repo *registry.Repository, subject digest.Digest,
) (all []digest.Digest, _ error) {
	seen := map[digest.Digest]bool{subject: true}
	for level := []digest.Digest{subject}; len(level) > 0; {
		found := make([][]digest.Digest, len(level))
		eg, egctx := errgroup.WithContext(ctx)
		eg.SetLimit(parallelImages)
		for i, d := range level {
			eg.Go(func() (err error) {
				found[i], err = referrerDigests(egctx, repo, d)
				return err
			})
		}
		if err := eg.Wait(); err != nil {
			return nil, err
		}
		level = nil
		for _, d := range slices.Concat(found...) {
			if !seen[d] {
				seen[d] = true
				all, level = append(all, d), append(level, d)
			}
		}
		if len(all) > limits.Referrers {
			return nil, image.ErrTooManyReferrers
		}
	}
	return all, nil
}

// referrerDigests lists what belongs to a manifest, without reading it.
func referrerDigests(
	ctx context.Context, repo *registry.Repository, subject digest.Digest,
) (all []digest.Digest, err error) {
	listed, err := repo.Referrers(ctx, subject)
	for _, d := range listed {
		all = append(all, d.Digest)
	}
	for _, tag := range registry.CosignTags(subject) {
		var d digest.Digest
		if err == nil {
			d, err = repo.Digest(ctx, tag)
		}
		if d != "" {
			all = append(all, d)
		}
	}
	return all, err
}

func referrersOf(
	ctx context.Context, repo *registry.Repository, subject digest.Digest,
) ([]*image.Image, error) {
	listed, err := repo.Referrers(ctx, subject)
	if err != nil {
		return nil, err
	}
	if len(listed) > limits.Referrers { // before any of them is read
		return nil, image.ErrTooManyReferrers
	}
	var all []*image.Image
	open := func(d v1.Descriptor, tag string) error {
		r, err := image.Open(ctx, repo, d, image.Selection{All: true})
		if err == nil {
			r.Subject, r.Tag = subject, tag
			all = append(all, r)
		}
		return err
	}
	for _, d := range listed {
		if err := open(d, ""); err != nil {
			return nil, err
		}
	}
	for _, tag := range registry.CosignTags(subject) {
		d, _, err := repo.Resolve(ctx, tag)
		if errors.Is(err, registry.ErrNotFound) {
			continue
		}
		if err == nil {
			err = open(d, tag)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
