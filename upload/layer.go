package upload

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"drayage/dockerarchive"
	"drayage/image"
	"drayage/internal/compression"
	"drayage/internal/pack"
	"drayage/internal/transfer"
	"drayage/internal/unpack"
	"drayage/registry"
)

// layer brings a layer of a saved tar into a repository, in the form in which it can be pulled.
func (p *pusher) layer(ctx context.Context, t *task, reported func(int64)) error {
	defer p.lockDiffID(t.layer.DiffID)()
	l := t.layer
	kind, err := l.Compression()
	if err != nil {
		return fmt.Errorf("layer %q: %w", l.Path, err)
	}
	if d, ok := p.known(l.DiffID, kind); ok {
		there, err := p.reuse(ctx, t.repo, d)
		if there {
			report(reported, l.Size())
			p.remember(l.DiffID, d, t.repo)
		}
		if there || err != nil {
			return err
		}
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	report(reported, 0)
	d, err := p.pack(ctx, t.repo, l, reported)
	if err != nil {
		return fmt.Errorf("layer %q: %w", l.Path, err)
	}
	report(reported, l.Size())
	p.remember(l.DiffID, d, t.repo)
	return nil
}

// lockDiffID makes a layer that goes to several repositories be compressed once; it returns the unlock.
func (p *pusher) lockDiffID(id digest.Digest) func() {
	p.mu.Lock()
	m := p.packing[id]
	if m == nil {
		m = &sync.Mutex{}
		p.packing[id] = m
	}
	p.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// known is what the layer became, in this run or in an earlier one. What an earlier run made of it does not
// count where the layer is stored in a form that is pushed as it is.
func (p *pusher) known(id digest.Digest, stored compression.Kind) (v1.Descriptor, bool) {
	p.mu.Lock()
	d, ok := p.packed[id]
	p.mu.Unlock()
	if ok || stored == compression.Gzip || stored == compression.Zstd {
		return d, ok
	}
	return p.cache.Lookup(id)
}

func (p *pusher) remember(id digest.Digest, d v1.Descriptor, repo *registry.Repository) {
	p.mu.Lock()
	p.packed[id] = d
	p.mu.Unlock()
	p.place(repo, d.Digest)
}

// reuse reports whether the repository has the blob, or could mount it.
func (p *pusher) reuse(ctx context.Context, repo *registry.Repository, d v1.Descriptor) (bool, error) {
	there, err := repo.Exists(ctx, d)
	if there || err != nil {
		return there, err
	}
	if from := p.origin(repo, d.Digest); from != "" {
		return repo.Pusher().Mount(ctx, d, from)
	}
	return false, nil
}

// pack uploads a layer. What is compressed with gzip or zstd already goes as it is, everything else is
// compressed on the way.
func (p *pusher) pack(ctx context.Context, repo *registry.Repository, l *dockerarchive.SavedLayer, reported func(int64)) (v1.Descriptor, error) {
	kind, err := l.Compression()
	if err != nil {
		return v1.Descriptor{}, err
	}
	switch kind {
	case compression.Gzip:
		return p.stored(ctx, repo, l, image.DockerLayer, reported)
	case compression.Zstd:
		return p.stored(ctx, repo, l, v1.MediaTypeImageLayerZstd, reported)
	}
	d, err := p.compressed(ctx, repo, l, reported)
	if err == nil {
		// Only what the layer alone decides is remembered for other runs: what another tool made of it would
		// change their digests.
		p.cache.Store(l.DiffID, d)
	}
	return d, err
}

// compressed uploads a layer that is compressed on the way.
func (p *pusher) compressed(ctx context.Context, repo *registry.Repository, l *dockerarchive.SavedLayer, reported func(int64)) (v1.Descriptor, error) {
	journal := p.layerJournal(repo, l)
	defer journal.Close()
	c := p.opts.Compression
	open := func() (io.ReadCloser, error) { return c.compress(ctx, &p.encoders, l, reported), nil }
	return repo.Pusher().PushStream(ctx, c.mediaType(), open, registry.PushOptions{Journal: journal})
}

// stored pushes a layer that is stored compressed. It is read once before, to check its diff ID and to
// learn its digest.
func (p *pusher) stored(ctx context.Context, repo *registry.Repository, l *dockerarchive.SavedLayer, mediaType string, reported func(int64)) (v1.Descriptor, error) {
	if p.opts.Stream != nil {
		return p.pass(ctx, repo, l, mediaType, reported)
	}
	h := sha256.New()
	if err := checkLayer(ctx, l, io.TeeReader(l.Open(), h), nil); err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: mediaType, Digest: digest.NewDigest(digest.SHA256, h), Size: l.Size()}
	return d, p.blob(ctx, repo, d, savedSource{l}, reported)
}

// savedSource gives out a stored layer.
type savedSource struct{ layer *dockerarchive.SavedLayer }

// Open implements image.Source.
func (s savedSource) Open(_ context.Context, _ v1.Descriptor, offset, length int64) (io.ReadCloser, error) {
	r := s.layer.Open()
	return io.NopCloser(image.Section(r, r.Size(), offset, length)), nil
}

// checkLayer writes a layer's uncompressed content to w, which may be nil, and compares it with the diff
// ID. It reads stored to its end.
func checkLayer(ctx context.Context, l *dockerarchive.SavedLayer, stored io.Reader, w io.Writer) error {
	layer, err := unpack.Sum(ctx, stored, l.DiffID.Algorithm(), w)
	if err != nil {
		return err
	}
	return unpack.CheckDiffID(layer.DiffID, l.DiffID)
}

// compress returns the compressed stream of a layer. Its last Read fails if the diff ID is wrong, so that
// no upload of a wrong layer can end well.
func (c Compression) compress(ctx context.Context, e *pack.Encoders, l *dockerarchive.SavedLayer, reported func(int64)) io.ReadCloser {
	return piped(func(w io.Writer) error { return c.compressTo(ctx, e, w, l, reported) })
}

// piped returns what write writes, and then its error.
func piped(write func(io.Writer) error) io.ReadCloser {
	pr, pw := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pw.CloseWithError(write(pw))
	}()
	return &pipe{PipeReader: pr, done: done}
}

// pipe waits for its goroutine when it is closed.
type pipe struct {
	*io.PipeReader
	done <-chan struct{}
}

// Close implements io.Closer.
func (p *pipe) Close() error {
	err := p.PipeReader.Close()
	<-p.done
	return err
}

func (c Compression) compressTo(ctx context.Context, e *pack.Encoders, w io.Writer, l *dockerarchive.SavedLayer, reported func(int64)) error {
	z, err := c.writer(e, w)
	if err != nil {
		return err
	}
	err = checkLayer(ctx, l, transfer.Counted(l.Open(), reported), z)
	if cerr := z.Close(); err == nil {
		err = cerr
	}
	return err
}

func report(reported func(int64), n int64) {
	if reported != nil {
		reported(n)
	}
}
