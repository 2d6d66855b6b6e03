package restore

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/layercache"
)

// Finder finds out how layers were compressed. It remembers what it has tried, because images share layers,
// and most images of one place were made by the same tools. It is for one goroutine.
type Finder struct {
	Encoders []Encoder // the most probable first
	CacheDir string    // where to remember what layers became; empty: nowhere
	// Trying is told of each attempt before it begins. It is called concurrently. nil: nobody is told.
	Trying func(l Layer, encoder string)

	learned []*Encoder // those that have fitted, the last one first
	unknown int        // layers that none fitted
	mu      sync.Mutex
	tried   map[attempt][]v1.Descriptor // by header; nil where it got too large
}

// attempt is a layer that an encoder compresses to at most so many bytes. 0 stands for any number.
type attempt struct {
	layer   digest.Digest
	encoder string
	size    int64
}

// Want is a layer, and the blob that it has to become.
type Want struct {
	Layer Layer
	Blob  v1.Descriptor
}

// Layers finds makers of blobs from layers. The result has those that were found, by the digest of the blob.
func (f *Finder) Layers(ctx context.Context, wants []Want) (map[digest.Digest]Maker, error) {
	found := map[digest.Digest]Maker{}
	var left []Want
	for _, w := range wants {
		if m := w.Layer.there(w.Blob.Digest); m != nil {
			found[w.Blob.Digest] = *m
		} else if WhyNot(w.Blob) == "" {
			left = append(left, w)
		}
	}
	slices.SortStableFunc(left, func(a, b Want) int { return cmp.Compare(a.Blob.Size, b.Blob.Size) })
	for len(left) > 0 {
		m, ok, err := f.search(ctx, left[0])
		if err != nil {
			return nil, err
		}
		if ok {
			found[left[0].Blob.Digest] = m
		}
		if left = left[1:]; !ok {
			f.unknown++
			continue
		}
		f.learn(m.Encoder)
		if left, err = f.repeat(ctx, m.Encoder, left, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// tocDigest is the annotation of layers in eStargz, which are one gzip stream for each file
// (https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md).
const tocDigest = "containerd.io/snapshot/stargz/toc.digest"

// WhyNot says in which form a blob is that no encoder makes. It is empty for those that one may make.
func WhyNot(blob v1.Descriptor) string {
	switch c := image.ParseLayerType(blob.MediaType).Compression; {
	case c == "":
		return "uncompressed with other content"
	case c != compression.Gzip:
		return "in " + c
	case blob.Annotations[tocDigest] != "":
		return "in eStargz"
	}
	return ""
}

// repeat tries the encoder of one layer with others. It returns those that it does not fit.
func (f *Finder) repeat(
	ctx context.Context, e *Encoder, wants []Want, found map[digest.Digest]Maker,
) (left []Want, err error) {
	makers := make([]*Maker, len(wants))
	err = parallel(ctx, len(wants), func(ctx context.Context, i int) (err error) {
		makers[i], err = f.fits(ctx, e, wants[i])
		return err
	})
	for i, m := range makers {
		if m == nil {
			left = append(left, wants[i])
		} else {
			found[wants[i].Blob.Digest] = *m
		}
	}
	return left, err
}

// errFound ends a search whose result is there.
var errFound = errors.New("found")

// maxUnknown is after how many layers that no encoder fitted the rare ones are left out. Layers are tried by
// size. So an encoder that is not known costs all attempts with small layers only.
const maxUnknown = 2

// hopeful are the encoders that are worth an attempt, those that have fitted first.
func (f *Finder) hopeful() []*Encoder {
	all := f.ordered()
	if f.unknown < maxUnknown {
		return all
	}
	return slices.DeleteFunc(all, func(e *Encoder) bool { return e.Rare && !slices.Contains(f.learned, e) })
}

// search tries encoders, several at a time. The first that fits ends the others.
func (f *Finder) search(ctx context.Context, w Want) (m Maker, ok bool, err error) {
	encoders := f.hopeful()
	var mu sync.Mutex
	err = parallel(ctx, len(encoders), func(ctx context.Context, i int) error {
		fit, err := f.fits(ctx, encoders[i], w)
		if err != nil || fit == nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if !ok {
			m, ok = *fit, true
		}
		return errFound
	})
	if ok && ctx.Err() == nil {
		err = nil
	}
	return m, ok, err
}

// fits returns the maker with an encoder that makes the wanted blob, or nil.
func (f *Finder) fits(ctx context.Context, e *Encoder, w Want) (*Maker, error) {
	made, err := f.try(ctx, e, w.Layer, w.Blob.Size)
	if err != nil {
		return nil, err
	}
	for i, d := range made {
		if d.Digest == w.Blob.Digest {
			return &Maker{e, i}, nil
		}
	}
	return nil, nil
}

// try compresses a layer, or remembers what came out. What gets larger than size, unless that is 0, is given
// up, and the result is nil.
func (f *Finder) try(ctx context.Context, e *Encoder, l Layer, size int64) ([]v1.Descriptor, error) {
	any, bounded := attempt{l.DiffID, e.Name, 0}, attempt{l.DiffID, e.Name, size}
	f.mu.Lock()
	made := f.tried[any]
	_, known := f.tried[bounded]
	f.mu.Unlock()
	if made == nil {
		made = f.recall(e, l)
	}
	if made != nil || known {
		return made, nil
	}
	if f.Trying != nil {
		f.Trying(l, e.Name)
	}
	sum := newSums(e, size)
	switch err := compress(ctx, e, l, sum); {
	case errors.Is(err, errTooLarge):
	case err != nil:
		return nil, err
	default:
		bounded, made = any, sum.results(e)
		f.keep(e, l, made)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	put(&f.tried, bounded, made)
	return made, nil
}

func compress(ctx context.Context, e *Encoder, l Layer, w *sums) error {
	content, err := l.Open(ctx)
	if err != nil {
		return err
	}
	defer content.Close()
	return e.Compress(ctx, w, checked(ctx, content, l.DiffID))
}

// recall returns what an earlier run has made of a layer, or nil.
func (f *Finder) recall(e *Encoder, l Layer) (all []v1.Descriptor) {
	for i := range e.Headers {
		d, ok := f.cache(Maker{e, i}).Lookup(l.DiffID)
		if !ok {
			return nil
		}
		all = append(all, d)
	}
	return all
}

func (f *Finder) keep(e *Encoder, l Layer, made []v1.Descriptor) {
	for i, d := range made {
		f.cache(Maker{e, i}).Store(l.DiffID, d)
	}
}

func (f *Finder) cache(m Maker) *layercache.Cache { return layercache.Open(f.CacheDir, m.key()) }

// learn makes an encoder the first one that is tried from then on.
func (f *Finder) learn(e *Encoder) {
	f.learned = slices.DeleteFunc(f.learned, func(known *Encoder) bool { return known == e })
	f.learned = append([]*Encoder{e}, f.learned...)
}

// ordered are all encoders, those that have fitted first.
func (f *Finder) ordered() []*Encoder {
	all := slices.Clone(f.learned)
	for i := range f.Encoders {
		if e := &f.Encoders[i]; !slices.Contains(f.learned, e) {
			all = append(all, e)
		}
	}
	return all
}

// parallel does n things, as many at a time as there are processors. The first error ends it.
func parallel(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	eg, egctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		if egctx.Err() != nil {
			break
		}
		eg.Go(func() error { return do(egctx, i) })
	}
	return cmp.Or(eg.Wait(), context.Cause(ctx))
}
