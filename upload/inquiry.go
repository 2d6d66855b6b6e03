package upload

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/limits"
	"drayage/registry"
)

// parallelQuestions is how many documents of one repository are asked for at once.
const parallelQuestions = 4

// inquiry asks one repository which blobs are the layers that somebody wants. All that it finds are claims:
// whoever can push a configuration can write diff IDs into it.
type inquiry struct {
	repo      *registry.Repository
	wanted    map[digest.Digest]int64 // sizes by diff ID
	platforms []v1.Platform           // of the images that have them

	seen  map[digest.Digest]bool // manifests
	bytes atomic.Int64           // of all documents so far
}

// claim says of a blob that it is a layer.
type claim struct {
	layer digest.Digest // the diff ID
	blob  v1.Descriptor
	repo  *registry.Repository // which has the blob
}

// errEnough ends an inquiry that has read as much as one may.
var errEnough = errors.New("the documents of the repository are too large to look for layers in them")

// images looks at images of the repository, in their order. The error is that of the first image that is
// there and cannot be looked at: a registry that refuses a question is not asked more of them.
func (q *inquiry) images(ctx context.Context, tags []string) ([]claim, error) {
	roots, err := each(ctx, tags, q.manifest)
	if err != nil {
		return nil, err
	}
	roots = q.unseen(roots)
	manifests, err := each(ctx, q.children(roots), q.manifest)
	if err != nil {
		return nil, err
	}
	found, err := each(ctx, images(append(roots, q.unseen(manifests)...)), q.claims)
	var all []claim
	for _, some := range found {
		all = append(all, some...)
	}
	return all, err
}

// each does f for all questions, some at once, and returns the answers in the order of the questions.
func each[Q, A any](ctx context.Context, questions []Q, f func(context.Context, Q) (A, error)) ([]A, error) {
	answers := make([]A, len(questions))
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(parallelQuestions)
	for i, q := range questions {
		eg.Go(func() (err error) {
			answers[i], err = f(egctx, q)
			if errors.Is(err, registry.ErrNotFound) {
				err = nil
			}
			return err
		})
	}
	return answers, eg.Wait()
}

// answer is a manifest or index that a repository has. Without a digest there was none.
type answer struct {
	image.Document
	digest digest.Digest
}

// manifest asks for a tag or digest. What is no manifest of an image is empty.
func (q *inquiry) manifest(ctx context.Context, target string) (answer, error) {
	if q.bytes.Load() > limits.AskedBytes {
		return answer{}, errEnough
	}
	d, raw, err := q.repo.Resolve(ctx, target)
	if err != nil {
		return answer{}, err
	}
	q.bytes.Add(int64(len(raw)))
	if doc, err := image.ParseManifest(d.MediaType, raw); err == nil {
		return answer{doc, d.Digest}, nil
	}
	return answer{}, nil // another tag may have an image
}

// unseen takes each manifest once.
func (q *inquiry) unseen(answers []answer) (some []answer) {
	for _, d := range answers {
		if d.digest != "" && !q.seen[d.digest] {
			q.seen[d.digest] = true
			some = append(some, d)
		}
	}
	return some
}

// children are the manifests for the wanted platforms, as far as indexes tell.
func (q *inquiry) children(answers []answer) (targets []string) {
	for _, d := range answers {
		var have []v1.Platform
		for _, c := range d.Manifests {
			have = append(have, image.NewLeaf(c).Platform)
		}
		for _, want := range q.platforms {
			if i := image.BestPlatform(want, have); i >= 0 {
				targets = append(targets, d.Manifests[i].Digest.String())
			}
		}
	}
	return targets
}

// images leaves out what is no manifest of an image.
func images(answers []answer) (some []answer) {
	for _, d := range answers {
		if d.digest != "" && d.MayBeImage() {
			some = append(some, d)
		}
	}
	return some
}

// claims reads the configuration of an image and compares its diff IDs with the wanted ones.
func (q *inquiry) claims(ctx context.Context, d answer) (found []claim, err error) {
	if q.bytes.Add(d.Config.Size) > limits.AskedBytes {
		return nil, errEnough
	}
	if d.Config.Size > limits.AskedConfig {
		return nil, nil
	}
	raw, err := image.ReadAll(ctx, q.repo, *d.Config, limits.AskedConfig)
	if err != nil {
		return nil, err
	}
	for i, id := range d.Judge(raw).DiffIDs {
		_, wanted := q.wanted[id]
		if blob, ok := reusable(d.Layers[i]); ok && wanted {
			found = append(found, claim{id, blob, q.repo})
		}
	}
	return found, nil
}

// reusable is a layer of another image as one of ours, if it is stored in a form that can be pushed. Docker's
// media type is used where it means the same, because the manifest may then have Docker's type.
func reusable(d v1.Descriptor) (v1.Descriptor, bool) {
	t := image.ParseLayerType(d.MediaType)
	mediaType, known := layerTypes[cmp.Or(t.Compression, compression.None)]
	ok := known && t.Tar && !t.Encrypted && !t.Foreign
	return v1.Descriptor{MediaType: mediaType, Digest: d.Digest, Size: d.Size}, ok
}
