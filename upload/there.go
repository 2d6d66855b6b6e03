package upload

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/transfer"
	"drayage/internal/unpack"
	"drayage/internal/verify"
	"drayage/registry"
)

// there finds a blob in the registry that is the layer, which is stored in a form of some kind, and sees to
// it that the repository has it.
func (l *layerPush) there(ctx context.Context, kind string) (d v1.Descriptor, ok bool, err error) {
	for _, d := range l.candidates(kind) {
		if ok, err := l.reuse(ctx, l.repo, d); ok || err != nil {
			return d, ok, err
		}
	}
	if kind != compression.None || l.opts.Reuse == ReuseNothing {
		return d, false, nil
	}
	for _, c := range l.claimed(ctx, l.repo, l.layer.DiffID) {
		if l.believes(ctx, c) {
			return c.blob, true, nil
		}
		if ctx.Err() != nil {
			return d, false, context.Cause(ctx)
		}
	}
	return d, false, nil
}

// candidates are what a layer became, in this run or in an earlier one. What an earlier run made of it does
// not count where the layer is stored in a form that is pushed as it is.
func (l *layerPush) candidates(stored string) (all []v1.Descriptor) {
	id := l.layer.DiffID
	l.mu.Lock()
	d, ok := l.packed[id]
	l.mu.Unlock()
	if ok {
		all = append(all, *d)
	}
	if stored == compression.Gzip || stored == compression.Zstd {
		return all
	}
	if d, ok := l.settled(l.repo, id); ok {
		all = append(all, d)
	}
	if d, ok := l.cache.Lookup(id); ok {
		all = append(all, d)
	}
	return all
}

// settled returns the blob that an earlier run found to be the layer in the repository.
func (p *pusher) settled(repo *registry.Repository, layer digest.Digest) (v1.Descriptor, bool) {
	if p.opts.Reuse == ReuseNothing {
		return v1.Descriptor{}, false
	}
	return p.cache.Settled(repo.Registry(), repo.Path(), layer)
}

// remembered reports whether an earlier run has dealt with the layer.
func (p *pusher) remembered(repo *registry.Repository, layer digest.Digest) bool {
	_, settled := p.settled(repo, layer)
	_, made := p.cache.Lookup(layer)
	return settled || made
}

// believes reports whether the repository has the blob of a claim, or has taken it over, and the blob is the
// layer. What goes wrong makes the claim useless, and nothing else.
func (l *layerPush) believes(ctx context.Context, c claim) bool {
	if c.blob.Size > fitting(l.layer.Size()) {
		l.warn(c, fmt.Errorf("it has %d bytes, and the layer has %d unpacked", c.blob.Size, l.layer.Size()))
		return false
	}
	there, err := l.repo.Exists(registry.Impatient(ctx), c.blob)
	if err == nil && !there && c.repo.Path() != l.repo.Path() {
		there, err = l.mount(ctx, l.repo, c.blob, c.repo.Path())
	}
	if err != nil || !there || !l.proved(ctx, c) {
		return false
	}
	if l.opts.Reuse != ReuseTrusted && !l.opts.Look {
		l.cache.Settle(l.repo.Registry(), l.repo.Path(), c.layer, c.blob)
	}
	return true
}

// fitting is the size of the largest blob that a layer can reasonably become: a little more than it has
// unpacked.
func fitting(unpacked int64) int64 { return unpacked + unpacked>>6 + 64<<10 }

// pairing is a blob and a layer.
type pairing struct{ layer, blob digest.Digest }

// proved reports whether a claim is true: because the blob's own digest says so, because it has been found
// out before, or because the blob is read and says so itself.
func (l *layerPush) proved(ctx context.Context, c claim) bool {
	unread := l.opts.Reuse == ReuseTrusted || l.opts.Look
	itself := c.blob.Digest == c.layer && c.blob.MediaType == v1.MediaTypeImageLayer
	if unread || itself || l.cache.Proves(c.layer, c.blob) {
		return true
	}
	about := pairing{c.layer, c.blob.Digest}
	l.mu.Lock()
	disproved := l.disproved[about]
	l.mu.Unlock()
	if disproved {
		return false
	}
	err := l.prove(ctx, c)
	switch {
	case err == nil:
		l.cache.Proved(c.layer, c.blob)
	case errors.Is(err, verify.ErrMismatch):
		l.mu.Lock()
		l.disproved[about] = true
		l.mu.Unlock()
		l.warn(c, err)
	}
	return err == nil
}

// warn tells of a claim that is false.
func (p *pusher) warn(c claim, err error) {
	if p.opts.Warn != nil {
		p.opts.Warn(&FalseClaim{fmt.Errorf("%s: blob %s is not layer %s, as a configuration there says: %w",
			c.repo.Name(), c.blob.Digest, c.layer, err)})
	}
}

// prove reads a blob and compares what it holds with the layer. It reads and unpacks no more than the layer
// has.
func (l *layerPush) prove(ctx context.Context, c claim) error {
	blob := image.NewReader(registry.Impatient(ctx), &once{Source: transfer.ReadAhead(c.repo)}, c.blob)
	defer blob.Close()
	plain, err := unpack.NewReader(ctx, blob, compression.Layers)
	if err != nil {
		return err
	}
	defer plain.Close()
	if kind := plain.Kind(); layerTypes[kind] != c.blob.MediaType {
		return verify.Mismatchf("its compression is %s, which its media type does not say", kind)
	}
	h, size := c.layer.Algorithm().Hash(), l.layer.Size()
	n, err := transfer.Copy(h, io.LimitReader(plain, size+1))
	switch {
	case err != nil:
		return unpack.Explain(err, blob)
	case n > size:
		return verify.Mismatchf("it unpacks to more than the %d bytes of the layer", size)
	}
	if err := plain.Rest(); err != nil {
		return err
	}
	return unpack.CheckDiffID(digest.NewDigest(c.layer.Algorithm(), h), c.layer)
}

// once is a source whose stream is not opened again when it breaks: nobody needs it.
type once struct {
	image.Source
	opened bool
}

// Open implements [image.Source].
func (o *once) Open(ctx context.Context, d v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	if o.opened {
		return nil, errors.New("the stream broke")
	}
	o.opened = true
	return o.Source.Open(ctx, d, offset, length)
}
