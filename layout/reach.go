package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/kind"
	"drayage/internal/limits"
)

// reach is what manifests of a layout lead to. Each manifest is read once, and what it leads to is kept as
// numbers: there may be very many images.
type reach struct {
	src      *Layout
	numbers  map[digest.Digest]int32
	digests  []digest.Digest         // by number
	below    map[int32][]int32       // what a manifest leads to in one step, once it has been read
	subjects map[int32]digest.Digest // of the manifests that name one
	bytes    int64                   // that have been read

	// damaged has why manifests cannot be read. If it is nil, such a manifest is an error.
	damaged map[int32]error
}

func newReach(src *Layout) *reach {
	return &reach{src: src, numbers: map[digest.Digest]int32{}, below: map[int32][]int32{},
		subjects: map[int32]digest.Digest{}}
}

// number returns the number of a digest.
func (r *reach) number(d digest.Digest) int32 {
	n, ok := r.numbers[d]
	if !ok {
		n = int32(len(r.digests))
		r.numbers[d] = n
		r.digests = append(r.digests, d)
	}
	return n
}

// from reads a manifest and all that it leads to, and returns its number. What is not there leads to nothing.
// A manifest that is damaged, or cannot be read, is an error: what it needs cannot be told. It leads to
// nothing if the caller wants such manifests in damaged.
func (r *reach) from(ctx context.Context, root v1.Descriptor) (int32, error) {
	todo := []v1.Descriptor{root}
	for len(todo) > 0 {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		n := r.number(d.Digest)
		if _, read := r.below[n]; read {
			continue
		}
		all, follow, err := r.read(ctx, d)
		if errors.Is(err, fs.ErrNotExist) {
			continue // and it may come
		}
		if err != nil && (r.damaged == nil || ctx.Err() != nil) {
			return n, err
		}
		if err != nil {
			r.damaged[n], r.below[n] = err, nil
			continue
		}
		below := make([]int32, 0, len(all))
		for _, c := range all {
			below = append(below, r.number(c.Digest))
		}
		if r.below[n] = below; follow {
			todo = append(todo, all...)
		}
		if len(r.below) > limits.AllManifests || len(r.digests) > limits.AllParts || r.bytes > limits.AllRead {
			return n, kind.Errorf(image.ErrTooMany, "the images have more than %d manifests, %d parts, "+
				"or %d bytes of manifests", limits.AllManifests, limits.AllParts, limits.AllRead)
		}
	}
	return r.number(root.Digest), nil
}

// anyDigest matches the digests in the text of a document.
var anyDigest = regexp.MustCompile(`sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}`)

// read returns what a manifest leads to in one step, and whether that may be manifests. Of a document that is
// not understood, such as an image in Docker's schema 1, it returns every digest that stands in it.
func (r *reach) read(ctx context.Context, d v1.Descriptor) (all []v1.Descriptor, follow bool, err error) {
	found, err := r.src.Stat(d.Digest)
	if err != nil {
		return nil, false, err
	}
	if found.Size > image.MaxManifestSize && !image.IsManifest(d.MediaType) {
		return nil, false, nil
	}
	r.bytes += found.Size
	raw, err := image.ReadAll(ctx, r.src, found, image.MaxManifestSize)
	if err != nil {
		return nil, false, fmt.Errorf("manifest %s, which tells what an image needs: %w", d.Digest, err)
	}
	doc, err := image.ParseManifest("", raw)
	if err == nil {
		if doc.Subject != nil {
			r.subjects[r.number(d.Digest)] = doc.Subject.Digest
		}
		return doc.Children(), image.IsIndex(doc.MediaType), nil
	}
	for _, m := range anyDigest.FindAll(raw, limits.Values) {
		all = append(all, v1.Descriptor{Digest: digest.Digest(m)})
	}
	return all, true, nil
}

// holdings are the entries of an index.json and what each one leads to.
type holdings struct {
	*reach
	images   []Image
	roots    []int32                // by entry
	subjects []int32                // by entry: what it belongs to as a referrer; or noSubject
	referrer map[int32][]int        // the entries that belong to a part
	belongs  map[digest.Digest]bool // of [Layout.DeltaBlobs]
}

const noSubject = -1

// hold finds out what entries lead to. Calls with one reach read what it has not read yet.
func hold(ctx context.Context, r *reach, images []Image) (*holdings, error) {
	belongs, err := r.src.DeltaBlobs(ctx)
	if err != nil {
		return nil, err
	}
	h := &holdings{reach: r, images: images, referrer: map[int32][]int{}, belongs: belongs}
	for i, im := range images {
		root, err := r.from(ctx, im.Descriptor)
		if err != nil {
			if label := im.Label(); label != "" {
				err = fmt.Errorf("%s: %w", label, err)
			}
			return nil, err
		}
		subject, of := int32(noSubject), im.Subject
		if of == "" && im.Label() == "" {
			of = r.subjects[root]
		}
		if of != "" {
			subject = r.number(of)
			h.referrer[subject] = append(h.referrer[subject], i)
		}
		h.roots, h.subjects = append(h.roots, root), append(h.subjects, subject)
	}
	return h, nil
}

// closure is a set of parts, and of the referrers that belong to one of them.
type closure struct {
	parts    []bool // by number
	attached []bool // by entry
}

func (h *holdings) newClosure() *closure {
	return &closure{make([]bool, len(h.digests)), make([]bool, len(h.images))}
}

// add adds a part, all that it leads to and, if without is given, all referrers of these but those in
// without. It calls visit, which may be nil, for each part that is new.
func (h *holdings) add(c *closure, part int32, without []bool, visit func(int32)) {
	todo := []int32{}
	enter := func(n int32) {
		if !c.parts[n] {
			c.parts[n] = true
			todo = append(todo, n)
			if visit != nil {
				visit(n)
			}
		}
	}
	for enter(part); len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, b := range h.below[n] {
			enter(b)
		}
		for _, e := range h.referrer[n] {
			if without != nil && !without[e] {
				c.attached[e] = true
				enter(h.roots[e])
			}
		}
	}
}

// live is all that the entries lead to, but for those in without.
func (h *holdings) live(without []bool) []bool {
	c := h.newClosure()
	for i, root := range h.roots {
		if !without[i] {
			h.add(c, root, nil, nil)
		}
	}
	return c.parts
}

// heads are the entries that others belong to: the images, and the referrers of what is not here.
func (h *holdings) heads() (all []int) {
	here := h.live(make([]bool, len(h.images)))
	for i, s := range h.subjects {
		if s == noSubject || !here[s] {
			all = append(all, i)
		}
	}
	return all
}
